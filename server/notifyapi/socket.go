package notifyapi

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Bounds of a WebSocket of the real-time API; ours.
const (
	socketPing    = 30 * time.Second
	socketPong    = 90 * time.Second // without a frame from the client
	socketWrite   = 10 * time.Second
	socketAnswers = 64 // answers that wait to be written
	// socketExpire is how long a session outlives its socket.
	socketExpire = time.Minute
)

// socket is a WebSocket of a Bayeux client. Its reader answers messages; its
// writer sends the answers, and events as they come.
type socket struct {
	exchange
	ws      *websocket.Conn
	answers chan []byte
	// bound hands a new session to the writer, held a connect to be answered later.
	bound chan *session
	held  chan heldConnect
}

type heldConnect struct {
	hold   time.Duration
	answer reply
}

// socket serves a WebSocket.
func (a *API) socket(w http.ResponseWriter, r *http.Request, path string) {
	ws, err := a.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer ws.Close()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	s := &socket{exchange: exchange{api: a, r: r.WithContext(ctx), path: path}, ws: ws,
		answers: make(chan []byte, socketAnswers), bound: make(chan *session), held: make(chan heldConnect)}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer cancel()
		s.read(ctx)
	})
	s.write(ctx)
	cancel()
	_ = ws.Close() // ends read
	reading.Wait()
}

// read answers messages until the client is gone.
func (s *socket) read(ctx context.Context) {
	s.ws.SetReadLimit(maxPostBytes)
	alive := func() { _ = s.ws.SetReadDeadline(time.Now().Add(socketPong)) }
	alive()
	s.ws.SetPongHandler(func(string) error { alive(); return nil })
	ping := s.ws.PingHandler()
	s.ws.SetPingHandler(func(data string) error { alive(); return ping(data) })
	for {
		_, body, err := s.ws.ReadMessage()
		if err != nil {
			return
		}
		alive()
		messages, err := parseMessages(body)
		if err != nil {
			s.bye(websocket.CloseUnsupportedData, "not a list of Bayeux messages")
			return
		}
		var out [][]byte
		for i := range messages {
			answer, now := s.one(ctx, &messages[i])
			if now {
				out = append(out, answer.encode())
			}
		}
		if len(out) > 0 && !s.answer(ctx, join(out)) {
			return
		}
	}
}

func (s *socket) answer(ctx context.Context, text []byte) bool {
	select {
	case s.answers <- text:
		return true
	case <-ctx.Done():
		return false
	}
}

// one answers a message; now is false for a connect that the writer answers.
func (s *socket) one(ctx context.Context, m *message) (answer reply, now bool) {
	switch m.Channel {
	case metaHandshake:
		made, answer := s.handshake(m)
		if made != nil {
			if s.known != nil {
				s.known.end() // one session a socket
			}
			s.bind(ctx, made)
		}
		return answer, true
	case metaConnect:
		found := s.session(m)
		if found != nil && found != s.known {
			s.bind(ctx, found) // a client that has lost its socket goes on
		}
		hold, answer, ok := s.connect(found, m)
		if !ok {
			return answer, true
		}
		select {
		case s.held <- heldConnect{hold, answer}:
		case <-ctx.Done():
		}
		return reply{}, false
	}
	return s.meta(s.session(m), m), true
}

func (s *socket) bind(ctx context.Context, to *session) {
	s.known = to
	select {
	case s.bound <- to:
	case <-ctx.Done():
	}
}

func (s *socket) bye(code int, text string) {
	_ = s.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), time.Now().Add(time.Second))
}

// write sends until ctx ends.
func (s *socket) write(ctx context.Context) {
	ping := time.NewTicker(socketPing)
	defer ping.Stop()
	w := &socketWriter{socket: s}
	defer w.unbind()
	for {
		var err error
		news, due := w.waits()
		select {
		case <-s.api.closing:
			s.bye(websocket.CloseServiceRestart, "the server stops")
			return
		case <-ctx.Done():
			return
		case <-ping.C:
			err = s.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(socketWrite))
			if w.session != nil {
				w.session.recheck(ctx) // a client need not connect to hear
			}
		case text := <-s.answers:
			err = s.send(text)
		case made := <-s.bound:
			w.unbind()
			w.bind(made)
		case h := <-s.held:
			err = w.hold(h)
		case <-due:
			err = w.answerConnect()
		case <-w.over: // the session goes on elsewhere
			w.session, w.over = nil, nil
		case <-news:
			err = w.flush()
		}
		if err != nil {
			return
		}
	}
}

func (s *socket) send(text []byte) error {
	_ = s.ws.SetWriteDeadline(time.Now().Add(socketWrite))
	return s.ws.WriteMessage(websocket.TextMessage, text)
}

// socketWriter is what the writer of a socket knows.
type socketWriter struct {
	socket  *socket
	session *session
	over    chan struct{}
	connect *heldConnect
	timer   *time.Timer
}

func (w *socketWriter) bind(to *session) { w.session, w.over = to, to.begin() }

func (w *socketWriter) unbind() {
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.session != nil {
		w.session.finish(w.over, min(socketExpire, w.socket.api.Limits.Expire))
	}
	w.session, w.over, w.connect, w.timer = nil, nil, nil, nil
}

// waits returns what is closed when there are events to send, and when a held
// connect is due; nil for what there is none of.
func (w *socketWriter) waits() (news <-chan struct{}, due <-chan time.Time) {
	if w.timer != nil {
		due = w.timer.C
	}
	if w.session == nil || w.session.acks && w.connect == nil {
		return news, due
	}
	next, ready := w.session.waiting()
	if ready {
		now := make(chan struct{})
		close(now)
		return now, due
	}
	return next, due
}

// hold answers a connect at once if it is not to be held.
func (w *socketWriter) hold(h heldConnect) error {
	if w.connect != nil {
		if err := w.answerConnect(); err != nil {
			return err
		}
	}
	w.connect = &h
	if h.hold <= 0 {
		return w.answerConnect()
	}
	w.timer = time.NewTimer(h.hold)
	return nil
}

// answerConnect sends what is queued with the answer to the connect that is held.
func (w *socketWriter) answerConnect() error {
	if w.timer != nil {
		w.timer.Stop()
	}
	answer := w.connect.answer
	w.connect, w.timer = nil, nil
	var events [][]byte
	if w.session != nil {
		var number int64
		if events, number = w.session.take(); number > 0 {
			answer.Ext = &ext{Ack: number}
		}
	}
	return w.socket.send(join(append(events[:len(events):len(events)], answer.encode())))
}

// flush sends what is queued; a client that acknowledges gets it with the answer to its connect.
func (w *socketWriter) flush() error {
	if w.session.isOver() {
		if w.connect != nil {
			answer := w.socket.over(w.session, w.connect.answer)
			w.unbind()
			return w.socket.send(join([][]byte{answer.encode()}))
		}
		w.unbind()
		return nil
	}
	if _, ready := w.session.waiting(); !ready {
		return nil // news is on the way
	}
	if w.session.acks {
		return w.answerConnect()
	}
	events, _ := w.session.take()
	return w.socket.send(join(events))
}
