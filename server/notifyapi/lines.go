package notifyapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/internal/smartrest/legacy"
	"mooring/internal/smartrest/template"
	"mooring/server/platform"
	"mooring/server/templates"
)

// LegacyTemplates are the collections of SmartREST 1.0: server/templates.
type LegacyTemplates interface {
	Legacy(ctx context.Context, tenant platform.TenantID, xid string) (templates.Legacy, error)
}

// Bounds of the real-time API in lines; ours.
const (
	maxLinesBytes = 1 << 20 // of one answer
	maxXIDs       = 32      // of one session, beside that of the header
)

// Lines by which a client of SmartREST 1.0 speaks Bayeux (the vendor's reference,
// "SmartREST real-time notifications"): what each means.
var lineChannels = map[string]string{"80": metaHandshake, "81": metaSubscribe, "82": metaUnsubscribe, "83": metaConnect, "84": metaDisconnect}

// Lines of the answers. 88 is not in the reference; the vendor's C++ SDK asks for it
// (80,true), reads it and gives its number back in the next 83.
const (
	lineAdvice = "86"
	lineBatch  = "88"
)

// speaksLines reports whether a request is in lines: it names a collection, and its
// body is no JSON.
func (a *API) speaksLines(r *http.Request, body []byte) bool {
	text := strings.TrimSpace(string(body))
	return a.Legacy != nil && r.Header.Get("X-Id") != "" && !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "{")
}

// lines answers a request in lines. The caller is authenticated.
func (x *exchange) lines(w http.ResponseWriter, tenant platform.TenantID, body []byte) {
	l := lineWriter{x: x, tenant: tenant, left: maxLinesBytes}
	parsed, err := smartrest.ParseLegacy(body)
	if err != nil || len(parsed) > maxPostMessages {
		l.say(legacy.ErrorLine(0, smartrest.NewError(smartrest.CodeMalformed, "", "Malformed Request")))
	} else {
		x.reads = true
		messages := l.messages(parsed)
		for _, answer := range x.pollAll(w, messages) {
			l.answer(answer)
		}
		if x.r.Context().Err() != nil {
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(l.text)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(l.text) // a client that went away is nobody's problem
}

// lineWriter collects the lines of an answer.
type lineWriter struct {
	x      *exchange
	tenant platform.TenantID
	text   []byte
	left   int
	xids   []string // collections that the session subscribed with beside that of the header
}

func (l *lineWriter) say(lines ...[]byte) {
	for _, line := range lines {
		if l.left -= len(line) + 1; l.left < 0 {
			return
		}
		if len(l.text) > 0 {
			l.text = append(l.text, '\n')
		}
		l.text = append(l.text, line...)
	}
}

// messages makes Bayeux messages of lines; their ID is the number of the line.
func (l *lineWriter) messages(lines []smartrest.Line) []message {
	var list []message
	for i, line := range lines {
		channel := lineChannels[line.TemplateID]
		if line.Err != nil || channel == "" {
			l.say(legacy.ErrorLine(i+1, smartrest.NewError(smartrest.CodeNoMessageID, "", "Invalid message identifier")))
			continue
		}
		m := message{Channel: channel, ID: json.RawMessage(strconv.Itoa(i + 1)), ClientID: line.Field(0)}
		switch channel {
		case metaHandshake:
			m.ClientID = ""
			if line.Field(0) == "true" {
				m.Ext.Ack = json.RawMessage("true")
			}
		case metaConnect:
			if n, err := strconv.ParseInt(line.Field(1), 10, 64); err == nil {
				m.Ext.Ack = json.RawMessage(strconv.FormatInt(n, 10))
			}
		case metaSubscribe, metaUnsubscribe:
			m.Subscription, _ = json.Marshal(line.Field(1)) // a text always marshals
		}
		if s := l.x.session(&m); s != nil {
			if channel == metaSubscribe && len(line.Fields) > 2 {
				s.speak(line.Fields[2:])
			}
			l.xids = s.spoken()
		}
		list = append(list, m)
	}
	return list
}

// received is an answer or an event, as pollAll writes them.
type received struct {
	reply
	Data json.RawMessage `json:"data"`
}

// answer says in lines what a Bayeux client would have been sent.
func (l *lineWriter) answer(text []byte) {
	var m received
	if err := json.Unmarshal(text, &m); err != nil {
		return // we wrote it
	}
	if !strings.HasPrefix(m.Channel, "/meta/") {
		l.event(m.Data)
		return
	}
	number, _ := strconv.Atoi(string(m.ID))
	switch {
	case !m.Successful:
		status, text, _ := strings.Cut(m.Error, ":")
		l.say(legacy.Line(strconv.Itoa(int(smartrest.CodeServer)), number, status, text[strings.LastIndex(text, ":")+1:]))
	case m.Channel == metaHandshake:
		l.say([]byte(m.ClientID))
	}
	if m.Ext != nil && m.Channel == metaConnect {
		if n, ok := m.Ext.Ack.(float64); ok {
			l.say(smartrest.AppendLegacyLine(nil, lineBatch, strconv.FormatInt(int64(n), 10)))
		}
	}
	if a := m.Advice; a != nil && a.Reconnect != "retry" {
		l.say(smartrest.AppendLegacyLine(nil, lineAdvice, "", strconv.FormatInt(a.Interval, 10), a.Reconnect))
	}
}

// event says what the collections have to say of an event.
func (l *lineWriter) event(data []byte) {
	object, err := template.Decode(data)
	if err != nil {
		return // we wrote it
	}
	l.speak(l.x.r.Header.Get("X-Id"), object, len(l.xids) > 0)
	for _, xid := range l.xids {
		l.speak(xid, object, true)
	}
}

// speak says what one collection has to say; named: with the line that tells which
// one it is.
func (l *lineWriter) speak(xid string, object any, named bool) {
	c, err := l.x.api.Legacy.Legacy(l.x.r.Context(), l.tenant, xid)
	if err != nil {
		if problem.KindOf(err) != problem.NotFound {
			l.x.api.log.Warn("templates not read", "tenant", l.tenant, "err", err)
		}
		return
	}
	lines := c.Respond(object, 1, l.left)
	if named && len(lines) > 0 {
		l.say(smartrest.AppendLegacyLine(nil, legacy.MessageOf, strconv.Itoa(len(lines)), xid))
	}
	l.say(lines...)
}

// speak notes further collections that events of the session are told in.
func (s *session) speak(xids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, xid := range xids {
		if xid != "" && len(xid) <= maxNameBytes && len(s.xids) < maxXIDs {
			s.xids = append(s.xids, xid)
		}
	}
}

func (s *session) spoken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.xids[:len(s.xids):len(s.xids)]
}
