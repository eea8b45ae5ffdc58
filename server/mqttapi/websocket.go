package mqttapi

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Sub-protocols of MQTT over WebSocket: the registered one (MQTT-6.0.0-3), and
// the one that clients offer for MQTT 3.1.
var subprotocols = []string{"mqtt", "mqttv3.1"}

const (
	// wsBuffer sizes the buffers of a WebSocket; ours, most packets are smaller.
	wsBuffer = 1024
	// wsFarewell is how long the closing frame may take to be written; ours.
	wsFarewell = 50 * time.Millisecond
)

// WebSocket returns the handler of MQTT over WebSocket. It does not look at the
// path: mount it at /mqtt alone (mqtt.md §1.1). Users log in by password; client
// certificates are not looked at. Any origin may come: no browser adds a
// credential of its own to an MQTT CONNECT.
func (s *Server) WebSocket(door string) http.Handler {
	upgrader := &websocket.Upgrader{
		ReadBufferSize: wsBuffer, WriteBufferSize: wsBuffer, WriteBufferPool: new(sync.Pool),
		Subprotocols: subprotocols, CheckOrigin: func(*http.Request) bool { return true },
		HandshakeTimeout: s.limits.Handshake,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !websocket.IsWebSocketUpgrade(r) {
			http.Error(w, "MQTT over WebSocket: this path takes WebSocket upgrades only", http.StatusUpgradeRequired)
			return
		}
		if !offersMQTT(r) {
			http.Error(w, `MQTT over WebSocket: offer the sub-protocol "mqtt"`, http.StatusBadRequest)
			return
		}
		address := hostOf(r.RemoteAddr)
		if !s.gate.Enter(address) {
			s.stats.turnedAway.Add(1)
			http.Error(w, "too many connections are being made", http.StatusServiceUnavailable)
			return
		}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil { // the upgrader has answered
			s.gate.Leave(address)
			return
		}
		s.begin(newConn(s, newWSConn(ws), &listener{door: door}, address, hostOf(r.Host)))
	})
}

func offersMQTT(r *http.Request) bool {
	for _, offered := range websocket.Subprotocols(r) {
		for _, known := range subprotocols {
			if offered == known {
				return true
			}
		}
	}
	return false
}

// wsConn is a WebSocket as a stream of bytes: MQTT packets and frames need not
// begin and end together (MQTT-6.0.0-2). Each Write is one binary frame.
type wsConn struct {
	*websocket.Conn
	message io.Reader // reader only: the rest of the current message

	writing sync.Mutex
}

func newWSConn(ws *websocket.Conn) *wsConn {
	return &wsConn{Conn: ws}
}

// errText is a frame that is not binary (MQTT-6.0.0-1).
var errText = errors.New("a WebSocket frame is not binary")

// Read returns the next bytes. A closing frame is the end of the stream.
func (c *wsConn) Read(b []byte) (int, error) {
	for {
		if c.message == nil {
			kind, message, err := c.NextReader()
			if err != nil {
				return 0, streamError(err)
			}
			if kind != websocket.BinaryMessage {
				c.farewell(websocket.CloseUnsupportedData)
				return 0, errText
			}
			c.message = message
		}
		n, err := c.message.Read(b)
		if err == io.EOF {
			c.message = nil
			if n == 0 && len(b) > 0 {
				continue
			}
			err = nil
		}
		return n, streamError(err)
	}
}

func streamError(err error) error {
	if _, closed := errors.AsType[*websocket.CloseError](err); closed {
		return io.EOF
	}
	return err
}

// Write sends b as one binary frame.
func (c *wsConn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.WriteMessage(websocket.BinaryMessage, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// CloseWrite says that nothing more will be written.
func (c *wsConn) CloseWrite() error { return c.farewell(websocket.CloseNormalClosure) }

func (c *wsConn) farewell(code int) error {
	return c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(wsFarewell))
}

// Close ends the connection; the peer is told unless somebody is writing to it.
func (c *wsConn) Close() error {
	if c.writing.TryLock() {
		_ = c.CloseWrite() // the peer may be gone
		c.writing.Unlock()
	}
	return c.Conn.Close()
}

// SetWriteDeadline implements net.Conn; the library wants it ordered with writes.
func (c *wsConn) SetWriteDeadline(t time.Time) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *wsConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
