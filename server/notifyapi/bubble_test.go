package notifyapi_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"mooring/server/notify"
	"mooring/server/notifyapi"
	"mooring/server/servertest"
)

// TestSilentSocket sees that a socket whose client never connects hears nothing
// more once its login is gone.
func TestSilentSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := &logins{}
		notices := notify.New(notify.Config{Objects: objects{}, Encode: encode})
		api := notifyapi.New(notifyapi.Config{Auth: auth, Notices: notices, Objects: objects{}, Tokens: tokens{}})
		client, server := servertest.Pipe(pipeAddr{}, pipeAddr{})
		l := &oneConn{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
		l.conn <- server
		httpServer := &http.Server{Handler: api}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = httpServer.Serve(l)
		}()
		dialer := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return client, nil }}
		ws, _, err := dialer.DialContext(t.Context(), "ws://x/cep/realtime", http.Header{"Authorization": {"Basic alarms"}})
		if err != nil {
			t.Fatal(err)
		}
		c := &client2{t, ws}
		id := c.ask(msg{"channel": "/meta/handshake"})["clientId"]
		c.ask(msg{"channel": "/meta/subscribe", "clientId": id, "subscription": "/alarms/*"})
		reading := make(chan struct{})
		go func() { // answers pings
			defer close(reading)
			for {
				if _, _, err := ws.ReadMessage(); err != nil {
					return
				}
			}
		}()
		time.Sleep(5 * time.Minute)
		if !notices.Wanted(acme) {
			t.Error("a socket that answers pings hears nothing more")
		}
		auth.refuse("alarms")
		time.Sleep(time.Minute)
		if notices.Wanted(acme) {
			t.Error("a socket hears on without its login")
		}
		_ = ws.Close()
		<-reading
		api.Close()
		_ = httpServer.Close()
		<-served
	})
}

type client2 struct {
	*testing.T
	ws *websocket.Conn
}

func (c *client2) ask(m msg) msg {
	c.Helper()
	if err := c.ws.WriteJSON([]msg{m}); err != nil {
		c.Fatal(err)
	}
	var answers []msg
	if err := c.ws.ReadJSON(&answers); err != nil || len(answers) != 1 || answers[0]["successful"] != true {
		c.Fatal(answers, err)
	}
	return answers[0]
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "memory" }
func (pipeAddr) String() string  { return "127.0.0.1:1" }

// oneConn is a listener with one connection.
type oneConn struct {
	conn   chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return pipeAddr{} }

// TestNothingIsLeft lets sessions come and go, by the clock of a bubble: none
// leaves a goroutine or a listener behind.
func TestNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notices := notify.New(notify.Config{Objects: objects{}, Encode: encode})
		api := notifyapi.New(notifyapi.Config{Auth: &logins{}, Notices: notices, Objects: objects{}, Tokens: tokens{}, Limits: notifyapi.Limits{}})
		post := func(ctx context.Context, body string) string {
			req := httptest.NewRequestWithContext(ctx, "POST", "/notification/realtime", strings.NewReader(body))
			req.Header.Set("Authorization", "Basic alarms")
			req.Header.Set("Accept", "*/*")
			w := httptest.NewRecorder()
			api.ServeHTTP(w, req)
			return w.Body.String()
		}
		before := runtime.NumGoroutine()
		for range 20 {
			_, after, _ := strings.Cut(post(t.Context(), `[{"channel":"/meta/handshake"}]`), `"clientId":"`)
			id, _, _ := strings.Cut(after, `"`)
			post(t.Context(), `[{"channel":"/meta/subscribe","clientId":"`+id+`","subscription":"/alarms/*"}]`)
			began := time.Now()
			if got := post(t.Context(), `[{"channel":"/meta/connect","clientId":"`+id+`"}]`); time.Since(began) != 30*time.Second || !strings.Contains(got, `"successful":true`) {
				t.Fatalf("held for %v, got %s", time.Since(began), got)
			}
			gone, leave := context.WithCancel(t.Context())
			go post(gone, `[{"channel":"/meta/connect","clientId":"`+id+`"}]`)
			synctest.Wait()
			leave()
		}
		if !notices.Wanted(acme) {
			t.Error("nobody listens")
		}
		time.Sleep(2*time.Hour + time.Second)
		synctest.Wait()
		if notices.Wanted(acme) {
			t.Error("expired sessions listen")
		}
		if after := runtime.NumGoroutine(); after > before { // those of other tests may end
			t.Errorf("%d goroutines, want %d or less", after, before)
		}
		api.Close()
	})
}
