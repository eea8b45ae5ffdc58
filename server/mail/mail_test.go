package mail_test

import (
	"bufio"
	"context"
	"io"
	"net"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"mooring/server/mail"
)

var at = time.Date(2027, time.October, 2, 2, 0, 0, 0, time.UTC)

// relay is a small SMTP server that takes one message. A line that begins
// with refuse is answered 550; with silent it never greets.
type relay struct {
	addr     string
	refuse   string
	silent   bool
	envelope chan []string // MAIL and RCPT lines
	message  chan string
}

func newRelay(t *testing.T, refuse string, silent bool) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{addr: l.Addr().String(), refuse: refuse, silent: silent, envelope: make(chan []string, 1), message: make(chan string, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		r.serve(conn)
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return r
}

func (r *relay) serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	if r.silent {
		_, _ = io.Copy(io.Discard, in)
		return
	}
	say := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	say("220 relay")
	var envelope []string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		switch {
		case r.refuse != "" && strings.HasPrefix(line, r.refuse):
			say("550 not here")
		case strings.HasPrefix(line, "MAIL"), strings.HasPrefix(line, "RCPT"):
			envelope = append(envelope, line)
			say("250 ok")
		case line == "DATA":
			say("354 go on")
			r.envelope <- envelope
			var text strings.Builder
			for {
				l, err := in.ReadString('\n')
				if err != nil || l == ".\r\n" {
					break
				}
				text.WriteString(l)
			}
			r.message <- text.String()
			say("250 taken")
		case line == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (r *relay) config() mail.Config {
	return mail.Config{Server: r.addr, From: "mooring@example.com", To: []string{"a@example.com", "b@example.com"}, Timeout: 10 * time.Second}
}

func TestSend(t *testing.T) {
	r := newRelay(t, "", false)
	subject := "CA of t1000\r\nBcc: everybody@example.com"
	if err := mail.New(r.config()).Send(t.Context(), subject, "line one\n.\nGrüße", at); err != nil {
		t.Fatal(err)
	}
	want := []string{"MAIL FROM:<mooring@example.com>", "RCPT TO:<a@example.com>", "RCPT TO:<b@example.com>"}
	if got := <-r.envelope; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("envelope = %q, want %q", got, want)
	}
	m, err := netmail.ReadMessage(strings.NewReader(<-r.message))
	if err != nil {
		t.Fatal(err)
	}
	if m.Header.Get("Bcc") != "" || m.Header.Get("To") != "a@example.com, b@example.com" || m.Header.Get("Date") != "Sat, 02 Oct 2027 02:00:00 +0000" {
		t.Errorf("header = %q", m.Header)
	}
	text, err := io.ReadAll(m.Body)
	if want := "line one\r\n..\r\nGrüße\r\n"; err != nil || string(text) != want {
		t.Errorf("text = %q, %v, want %q", text, err, want)
	}
}

func TestSendCutsLongText(t *testing.T) {
	for _, n := range []int{mail.MaxTextBytes - 1, mail.MaxTextBytes, mail.MaxTextBytes + 1} {
		r := newRelay(t, "", false)
		if err := mail.New(r.config()).Send(t.Context(), "s", strings.Repeat("x", n), at); err != nil {
			t.Fatal(err)
		}
		m, err := netmail.ReadMessage(strings.NewReader(<-r.message))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(m.Body)
		if got, want := len(strings.TrimSpace(string(text))), min(n, mail.MaxTextBytes); got != want {
			t.Errorf("%d bytes: got %d, want %d", n, got, want)
		}
	}
}

func TestSendFails(t *testing.T) {
	tests := []struct {
		name, refuse string
		silent       bool
	}{
		{name: "sender refused", refuse: "MAIL"},
		{name: "recipient refused", refuse: "RCPT TO:<b"},
		{name: "text refused", refuse: "DATA"},
		{name: "silent server", silent: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRelay(t, tt.refuse, tt.silent)
			c := r.config()
			if tt.silent {
				c.Timeout = 50 * time.Millisecond
			}
			began := time.Now()
			if err := mail.New(c).Send(context.Background(), "s", "t", at); err == nil {
				t.Error("no error")
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	many := func(n int) []string { return strings.Split(strings.Repeat("a@b.example,", n)[:n*12-1], ",") }
	tests := []struct {
		name   string
		change func(*mail.Config)
		wantOK bool
	}{
		{name: "good", change: func(*mail.Config) {}, wantOK: true},
		{name: "no port", change: func(c *mail.Config) { c.Server = "relay" }},
		{name: "no sender", change: func(c *mail.Config) { c.From = "" }},
		{name: "named sender", change: func(c *mail.Config) { c.From = "M <m@example.com>" }},
		{name: "no recipient", change: func(c *mail.Config) { c.To = nil }},
		{name: "broken recipient", change: func(c *mail.Config) { c.To = []string{"a@example.com\r\nDATA"} }},
		{name: "most recipients", change: func(c *mail.Config) { c.To = many(mail.MaxRecipients) }, wantOK: true},
		{name: "too many recipients", change: func(c *mail.Config) { c.To = many(mail.MaxRecipients + 1) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mail.Config{Server: "relay.example.com:25", From: "m@example.com", To: []string{"a@example.com"}}
			tt.change(&c)
			if err := c.Check(); (err == nil) != tt.wantOK {
				t.Errorf("Check() = %v, want ok %v", err, tt.wantOK)
			}
		})
	}
}
