package notifyapi

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"mooring/internal/problem"
	"mooring/server/notify"
)

// Bounds of a consumer's connection. The platform closes one that is idle for
// five minutes; a peer that answers pings is not.
const (
	idleWithin    = 5 * time.Minute
	pingEvery     = 2 * time.Minute
	writeWithin   = 30 * time.Second
	maxAckBytes   = 4 << 10
	maxInstance   = 256 // bytes of the name of a connection
	maxBadAcks    = 100 // frames that are no acknowledgement, of one connection
	unsubscribeBy = "unsubscribe_subscriber"
)

// consume serves a consumer of Notification 2.0.
//
//	GET /notification2/consumer/?token=…[&consumer=name]
func (a *API) consume(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	g, err := a.Tokens.VerifyNotification(r.Context(), q.Get("token"))
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	instance := q.Get("consumer")
	if len(instance) > maxInstance || !utf8.ValidString(instance) || strings.ContainsRune(instance, 0) {
		a.refuse(w, r, problem.New(problem.Invalid, "'consumer' has at most 256 bytes.", nil))
		return
	}
	c, err := a.Notices.Connect(r.Context(), g, instance)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	defer c.Close()
	ws, err := a.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer ws.Close()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	go func() { // read ends when ws is closed
		defer cancel()
		a.readAcks(ctx, ws, c)
	}()
	code, text := a.writeMessages(ctx, ws, c)
	if code != 0 {
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), time.Now().Add(time.Second))
	}
	a.log.Debug("a consumer has left", "tenant", g.Tenant, "topic", g.Topic.Name, "subscriber", g.Subscriber, "why", text)
}

// writeMessages sends until the connection ends; it returns the code to close
// it with, zero if there is nobody to tell.
func (a *API) writeMessages(ctx context.Context, ws *websocket.Conn, c *notify.Client) (code int, text string) {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	messages, failed := make(chan notify.Message), make(chan error, 1)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		for {
			m, err := c.Next(reading)
			if err != nil {
				failed <- err
				return
			}
			select {
			case messages <- m:
			case <-reading.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-a.closing:
			return websocket.CloseServiceRestart, "the server stops"
		case <-ctx.Done():
			return 0, "the connection is gone"
		case err := <-failed:
			return closeCode(err)
		case <-ping.C:
			if ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWithin)) != nil {
				return 0, "no ping"
			}
		case m := <-messages:
			_ = ws.SetWriteDeadline(time.Now().Add(writeWithin))
			if ws.WriteMessage(websocket.TextMessage, frame(&m)) != nil {
				return 0, "the consumer reads too slowly, or is gone"
			}
		}
	}
}

func closeCode(err error) (int, string) {
	switch {
	case notify.Unsubscribed(err):
		return websocket.CloseNormalClosure, "unsubscribed"
	case notify.TakenOver(err):
		return websocket.ClosePolicyViolation, "the same consumer has connected anew"
	}
	return 0, err.Error()
}

// frame writes a message as the consumer reads it.
//
//	acknowledgement LF "/" tenant "/" api "/" source LF action LF LF json
func frame(m *notify.Message) []byte {
	b := make([]byte, 0, len(m.Payload)+128)
	b = append(b, m.Ack()...)
	b = append(b, "\n/"...)
	b = append(b, m.Tenant...)
	b = append(b, '/')
	b = append(b, m.API...)
	b = append(b, '/')
	b = append(b, m.Source.String()...)
	b = append(b, '\n')
	b = append(b, m.Action...)
	b = append(b, "\n\n"...)
	return appendOneLine(b, m.Payload)
}

// lineEnds are characters beside LF at which clients may break lines; in JSON they
// stand in texts only, where they can be written otherwise.
var lineEnds = []struct{ character, escaped string }{{"\u0085", `\u0085`}, {"\u2028", `\u2028`}, {"\u2029", `\u2029`}}

// appendOneLine appends JSON so that every client takes it for one line.
func appendOneLine(b, text []byte) []byte {
	for _, end := range lineEnds {
		if bytes.Contains(text, []byte(end.character)) {
			text = bytes.ReplaceAll(text, []byte(end.character), []byte(end.escaped))
		}
	}
	return append(b, text...)
}

// readAcks reads acknowledgements until the connection ends.
func (a *API) readAcks(ctx context.Context, ws *websocket.Conn, c *notify.Client) {
	ws.SetReadLimit(maxAckBytes)
	alive := func() { _ = ws.SetReadDeadline(time.Now().Add(idleWithin)) }
	alive()
	ws.SetPongHandler(func(string) error { alive(); return nil })
	ping := ws.PingHandler()
	ws.SetPingHandler(func(data string) error { alive(); return ping(data) })
	bad := 0
	for {
		kind, data, err := ws.ReadMessage()
		if err != nil {
			return
		}
		alive()
		text := strings.TrimSpace(string(data))
		switch {
		case kind != websocket.TextMessage:
			bad++
		case text == unsubscribeBy:
			if err := c.Unsubscribe(ctx); err != nil {
				a.log.Error("cannot unsubscribe a consumer", "err", err)
			}
			continue // Next answers that it is over
		case c.Ack(text) != nil:
			bad++
		}
		if bad > maxBadAcks {
			return
		}
	}
}

// refuse answers a request that becomes no WebSocket.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	switch problem.KindOf(err) {
	case problem.Unauthenticated:
		status = http.StatusUnauthorized
	case problem.Forbidden:
		status = http.StatusForbidden
	case problem.NotFound:
		status = http.StatusNotFound
	case problem.Conflict:
		status = http.StatusConflict
	case problem.Invalid, problem.Unprocessable:
		status = http.StatusBadRequest
	case problem.TooMany:
		status = http.StatusTooManyRequests
	case problem.Unavailable:
		status = http.StatusServiceUnavailable
	}
	text := http.StatusText(status)
	var p *problem.Error
	if errors.As(err, &p) && status != http.StatusInternalServerError && p.Detail != "" {
		text = p.Detail
	} else if status == http.StatusInternalServerError {
		a.log.Error("a notification request failed", "path", r.URL.Path, "err", err)
	}
	http.Error(w, text, status)
}
