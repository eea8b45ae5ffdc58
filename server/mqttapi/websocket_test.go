package mqttapi_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/gorilla/websocket"

	"mooring/server/mqttapi"
)

// wsRig is a rig with MQTT over WebSocket on a socket.
func wsRig(t *testing.T, limits mqttapi.Limits) (*rig, string) {
	r := newRig(t, limits)
	web := httptest.NewServer(r.WebSocket("https"))
	t.Cleanup(web.Close)
	return r, "ws" + strings.TrimPrefix(web.URL, "http")
}

func dialWS(t *testing.T, url string, d websocket.Dialer) *websocket.Conn {
	t.Helper()
	ws, _, err := d.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
	return ws
}

var mqttDialer = websocket.Dialer{Subprotocols: []string{"mqtt"}}

// encodeFor writes packets one after the other.
func encodeFor(t testing.TB, list ...mqtt.ControlPacket) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range list {
		if err := p.Write(&b); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// wsStream reads what comes as one stream.
type wsStream struct {
	*websocket.Conn
	rest []byte
}

func (s *wsStream) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		kind, p, err := s.ReadMessage()
		if err != nil {
			return 0, err
		}
		if kind != websocket.BinaryMessage {
			return 0, io.ErrUnexpectedEOF
		}
		s.rest = p
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func wantPackets(t *testing.T, from io.Reader, kinds ...byte) {
	t.Helper()
	for _, kind := range kinds {
		p, err := mqtt.ReadPacket(from)
		if err != nil {
			t.Fatalf("waiting for %s: %v", mqtt.PacketNames[kind], err)
		}
		if header(p) != kind {
			t.Fatalf("got %v, want %s", p, mqtt.PacketNames[kind])
		}
	}
}

// TestWebSocketFrames: packets and frames need not begin and end together
// (MQTT-6.0.0-2).
func TestWebSocketFrames(t *testing.T) {
	r, url := wsRig(t, mqttapi.Limits{})
	all := encodeFor(t, dev("dev1").packet(), subscribe(1, 1, "s/ds"), publish(2, 1, "s/us", "100"), subscribe(3, 1, "s/ds"), publish(4, 1, "s/us", "123"))
	want := []byte{mqtt.Connack, mqtt.Suback, mqtt.Puback, mqtt.Suback}
	tests := []struct {
		name   string
		dialer websocket.Dialer
		send   func(ws *websocket.Conn) error
	}{
		{name: "all in one frame", dialer: mqttDialer, send: func(ws *websocket.Conn) error { return ws.WriteMessage(websocket.BinaryMessage, all) }},
		{name: "a frame for each byte", dialer: mqttDialer, send: func(ws *websocket.Conn) error {
			for i := range all {
				if err := ws.WriteMessage(websocket.BinaryMessage, all[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		}},
		{name: "fragments of one message", dialer: websocket.Dialer{Subprotocols: []string{"mqtt"}, WriteBufferSize: 8}, send: func(ws *websocket.Conn) error {
			w, err := ws.NextWriter(websocket.BinaryMessage)
			if err != nil {
				return err
			}
			if _, err := w.Write(all); err != nil {
				return err
			}
			return w.Close()
		}},
		{name: "empty frames and pings between", dialer: mqttDialer, send: func(ws *websocket.Conn) error {
			for _, part := range [][]byte{nil, all[:3], nil, all[3:]} {
				if err := ws.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(time.Second)); err != nil {
					return err
				}
				if err := ws.WriteMessage(websocket.BinaryMessage, part); err != nil {
					return err
				}
			}
			return nil
		}},
		{name: "the protocol of MQTT 3.1", dialer: websocket.Dialer{Subprotocols: []string{"x", "mqttv3.1"}}, send: func(ws *websocket.Conn) error {
			return ws.WriteMessage(websocket.BinaryMessage, all)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ws := dialWS(t, url, tt.dialer)
			if err := tt.send(ws); err != nil {
				t.Fatal(err)
			}
			stream := &wsStream{Conn: ws}
			wantPackets(t, stream, want...)
			wantPackets(t, stream, mqtt.Puback, mqtt.Publish)
			if got := ws.Subprotocol(); !strings.HasPrefix(got, "mqtt") {
				t.Errorf("sub-protocol %q", got)
			}
		})
	}
	if got := r.Stats().Accepted; got != int64(len(tests)) {
		t.Errorf("%d connections accepted, want %d", got, len(tests))
	}
}

// TestWebSocketRefusals: what is no MQTT over WebSocket is told so, and what is
// refused hears the code.
func TestWebSocketRefusals(t *testing.T) {
	_, url := wsRig(t, mqttapi.Limits{})
	for name, tt := range map[string]struct {
		protocols []string
		want      int
	}{
		"no sub-protocol":      {want: http.StatusBadRequest},
		"another sub-protocol": {protocols: []string{"amqp"}, want: http.StatusBadRequest},
		"mqtt among others":    {protocols: []string{"amqp", "mqtt"}, want: http.StatusSwitchingProtocols},
	} {
		d := websocket.Dialer{Subprotocols: tt.protocols}
		ws, answer, _ := d.Dial(url, nil)
		if answer == nil || answer.StatusCode != tt.want {
			t.Errorf("%s: %+v, want status %d", name, answer, tt.want)
		}
		if ws != nil {
			ws.Close()
		}
	}
	answer, err := http.Get("http" + strings.TrimPrefix(url, "ws"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("plain GET: status %d", answer.StatusCode)
	}

	wrong := dev("dev1")
	wrong.password = "wrong"
	ws := dialWS(t, url, mqttDialer)
	if err := ws.WriteMessage(websocket.BinaryMessage, encodeFor(t, wrong.packet())); err != nil {
		t.Fatal(err)
	}
	_, got, err := ws.ReadMessage()
	if err != nil || !bytes.Equal(got, []byte{0x20, 2, 0, 4}) {
		t.Errorf("wrong password: % x, %v", got, err)
	}
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("after the refusal: %v, want the end", err)
	}

	ws = dialWS(t, url, mqttDialer)
	if err := ws.WriteMessage(websocket.TextMessage, encodeFor(t, dev("dev1").packet())); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseUnsupportedData) {
		t.Errorf("text frame: %v, want close code 1003", err)
	}
}

// TestWebSocketGate: who finds the gate full is told to come back, and a refused
// upgrade gives its place back.
func TestWebSocketGate(t *testing.T) {
	_, url := wsRig(t, mqttapi.Limits{Handshakes: 3, HandshakesPerAddress: 1})
	bad := http.Header{"Sec-WebSocket-Version": {"7"}}
	for range 3 {
		if ws, _, err := mqttDialer.Dial(url, bad); err == nil {
			ws.Close()
		}
	}
	first := dialWS(t, url, mqttDialer)
	_, answer, err := mqttDialer.Dial(url, nil)
	if err == nil || answer == nil || answer.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("second handshake: %+v, %v, want 503", answer, err)
	}
	if err := first.WriteMessage(websocket.BinaryMessage, encodeFor(t, dev("dev1").packet())); err != nil {
		t.Fatal(err)
	}
	wantPackets(t, &wsStream{Conn: first}, mqtt.Connack)
	second := dialWS(t, url, mqttDialer)
	if err := second.WriteMessage(websocket.BinaryMessage, encodeFor(t, dev("dev1").packet())); err != nil {
		t.Fatal(err)
	}
	wantPackets(t, &wsStream{Conn: second}, mqtt.Connack)
	if _, _, err := first.ReadMessage(); err == nil {
		t.Error("the session that was taken over stays open")
	}
}
