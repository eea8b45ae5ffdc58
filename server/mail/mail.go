// Package mail sends short alerts to people by e-mail, through one SMTP server
// that takes them without a login: the relay of the site.
//
// STARTTLS is used where the server offers it, and its certificate is checked.
package mail

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"net"
	netmail "net/mail"
	"net/smtp"
	"strings"
	"time"
)

// Bounds of one message; ours. A server that takes longer is as good as down.
const (
	DefaultTimeout = 30 * time.Second
	MaxTextBytes   = 16 << 10
	MaxRecipients  = 20
)

// Config says where alerts go.
type Config struct {
	Server string // "host:port"
	From   string
	To     []string
	// Timeout bounds one message from dialling to QUIT. Zero: DefaultTimeout.
	Timeout time.Duration
	// TLS is used for STARTTLS; nil: the system's roots and the server's name.
	TLS *tls.Config
}

// Check reports the first thing that cannot work.
func (c Config) Check() error {
	if _, port, err := net.SplitHostPort(c.Server); err != nil || port == "" {
		return fmt.Errorf("%q is no host:port", c.Server)
	}
	if len(c.To) == 0 || len(c.To) > MaxRecipients {
		return fmt.Errorf("there must be 1 to %d recipients, not %d", MaxRecipients, len(c.To))
	}
	for _, address := range append([]string{c.From}, c.To...) {
		if a, err := netmail.ParseAddress(address); err != nil || a.Address != address {
			return fmt.Errorf("%q is no bare e-mail address", address)
		}
	}
	return nil
}

// Sender sends alerts. It may be used by several goroutines.
type Sender struct{ cfg Config }

// New returns a sender for a configuration that Check accepts.
func New(c Config) *Sender {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	return &Sender{cfg: c}
}

// Send delivers one message to every recipient, or says why not. Text longer
// than MaxTextBytes is cut.
func (s *Sender) Send(ctx context.Context, subject, text string, at time.Time) (err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.cfg.Server)
	if err != nil {
		return fmt.Errorf("reach mail server: %w", err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := s.deliver(conn, s.message(subject, text, at)); err != nil {
		return fmt.Errorf("mail server %s: %w", s.cfg.Server, errors.Join(err, ctx.Err()))
	}
	return nil
}

func (s *Sender) deliver(conn net.Conn, message []byte) error {
	host, _, _ := net.SplitHostPort(s.cfg.Server)
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if ok, _ := c.Extension("STARTTLS"); ok {
		cfg := &tls.Config{ServerName: host}
		if s.cfg.TLS != nil {
			cfg = s.cfg.TLS.Clone()
		}
		if err := c.StartTLS(cfg); err != nil {
			return err
		}
	}
	if err := c.Mail(s.cfg.From); err != nil {
		return err
	}
	for _, to := range s.cfg.To {
		if err := c.Rcpt(to); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

// message is header and text (RFC 5322) in UTF-8. A line break in the subject
// cannot start a header of its own: it is encoded.
func (s *Sender) message(subject, text string, at time.Time) []byte {
	if len(text) > MaxTextBytes {
		text = strings.ToValidUTF8(text[:MaxTextBytes], "")
	}
	_, domain, _ := strings.Cut(s.cfg.From, "@")
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", s.cfg.From}, {"To", strings.Join(s.cfg.To, ", ")}, {"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Date", at.UTC().Format(time.RFC1123Z)}, {"Message-ID", "<" + rand.Text() + "@" + domain + ">"}, {"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "8bit"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	b.WriteString(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n"))
	b.WriteString("\r\n")
	return b.Bytes()
}
