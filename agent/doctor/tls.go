package doctor

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"mooring/agent/dial"
	"mooring/agent/identity"
)

const (
	// shakeLimit leaves room for keys in hardware.
	shakeLimit = 20 * time.Second
	// afterwards is how long a refusal may come after a handshake of TLS 1.3,
	// where the server judges the certificate after the client is done.
	afterwards = 700 * time.Millisecond
	// manyCABytes is when a list of CA names deserves a word; at 64 KiB TLS
	// itself ends (RFC 8446 §4.3.2: 2 bytes of length).
	manyCABytes = 16 << 10
)

// shakeLimit leaves room for a signature that is as slow as a self-test found.
func (e *exam) shakeLimit() time.Duration { return shakeLimit + 2*e.signLimit }

// shake is what one handshake showed.
type shake struct {
	asked   bool // for a client certificate
	caBytes int
	caCount int
	signing time.Duration // what the key took
	err     error
}

// slowly marks an end of the connection after a signature that took long.
func (s *shake) slowly(err error) error {
	if err == nil || s.signing < slowSignature {
		return err
	}
	switch tlsCode(err, true) {
	case "M109", "M110":
		return slowError{err, s.signing}
	}
	return err
}

type slowError struct {
	error
	took time.Duration
}

// Unwrap returns what ended the connection.
func (e slowError) Unwrap() error { return e.error }

// Error says why that may be.
func (e slowError) Error() string {
	return fmt.Sprintf("the key took %v to sign, and the connection was closed: %v", e.took.Round(100*time.Millisecond), e.error)
}

// handshake opens a connection to d. It judges no certificate: the caller does.
func (e *exam) handshake(ctx context.Context, d *door, low, high uint16, id *identity.Identity) (*tls.Conn, shake) {
	var s shake
	ctx, cancel := context.WithTimeout(ctx, e.shakeLimit())
	defer cancel()
	raw, err := e.dial(ctx, d)
	if err != nil {
		s.err = err
		return nil, s
	}
	conn := tls.Client(raw, &tls.Config{
		MinVersion: low, MaxVersion: high, ServerName: e.cfg.Server, Time: e.now,
		InsecureSkipVerify: true, // verified by the caller, so that each fault gets its own name
		GetClientCertificate: func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			s.asked, s.caCount = true, len(r.AcceptableCAs)
			for _, name := range r.AcceptableCAs {
				s.caBytes += 2 + len(name)
			}
			if id == nil {
				return &tls.Certificate{}, nil
			}
			c := id.TLS()
			c.PrivateKey = tellingSigner{id.Signer, &s.signing}
			return &c, nil
		},
	})
	if s.err = conn.HandshakeContext(ctx); s.err != nil {
		_ = raw.Close()
		s.err = s.slowly(s.err)
		return nil, s
	}
	return conn, s
}

// tellingSigner marks its own errors, so that a handshake that they end is not
// taken for the server's doing.
type tellingSigner struct {
	crypto.Signer
	took *time.Duration
}

type signError struct{ error }

// Unwrap returns the cause.
func (e signError) Unwrap() error { return e.error }

// Sign implements crypto.Signer.
func (s tellingSigner) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	begin := time.Now()
	signature, err := s.Signer.Sign(random, digest, o)
	*s.took = time.Since(begin)
	if err != nil {
		return nil, signError{err}
	}
	return signature, nil
}

// tls looks at the versions and at the server's certificate.
func (e *exam) tls(ctx context.Context, d *door) {
	newer := e.version(ctx, d, tls.VersionTLS13)
	older := e.version(ctx, d, tls.VersionTLS12)
	d.tls13, d.tls12 = newer.err == nil, older.err == nil
	if !d.tls12 && !d.tls13 {
		d.find("tls", worse(tlsCode(newer.err, false), tlsCode(older.err, false)), newer.err.Error())
		return
	}
	d.answers = true
	e.versions(d, newer, older)
	if d.asks {
		if !d.tls13 {
			newer = older
		}
		if !newer.asked && d.name == mqttsDoor && e.speaksHTTP(ctx, d) {
			d.find("tls", "M154", "it speaks HTTP")
			return
		}
		e.request(d, newer)
	}
	if d.verify = e.verifyServer(d.chain, e.now()); d.verify == nil {
		d.usable = true
	}
}

func (e *exam) version(ctx context.Context, d *door, v uint16) shake {
	conn, s := e.handshake(ctx, d, v, v, nil)
	if s.err == nil {
		d.chain = conn.ConnectionState().PeerCertificates
		_ = conn.Close()
	}
	return s
}

// worse prefers what names a cause to what only says that it failed.
func worse(a, b Code) Code {
	if a == "M109" || a == "M110" || a == "M104" {
		return b
	}
	return a
}

func (e *exam) versions(d *door, newer, older shake) {
	names := "TLS 1.3 and 1.2"
	switch {
	case tlsCode(newer.err, false) == "M104":
		names = "TLS 1.2 alone"
	case newer.err != nil:
		d.find("tls", "M105", newer.err.Error())
		return
	case tlsCode(older.err, false) == "M106":
		d.find("tls", "M106", older.err.Error())
	case older.err != nil:
		names = "TLS 1.3 alone"
	}
	d.ok("tls", "%s, server certificate %s valid to %s", names, d.chain[0].Subject, d.chain[0].NotAfter.UTC().Format(time.RFC3339))
}

// speaksHTTP tells whether a door that should lead to MQTT leads to HTTP. To a
// server of MQTT the question is a broken packet.
func (e *exam) speaksHTTP(ctx context.Context, d *door) bool {
	conn, s := e.handshake(ctx, d, tls.VersionTLS12, tls.VersionTLS13, nil)
	if s.err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(answerLimit)) // fails on closed connections only
	const question, status = "GET / HTTP/1.0\r\n\r\n", "HTTP/"
	if _, err := io.WriteString(conn, question); err != nil {
		return false
	}
	begin := make([]byte, len(status))
	_, err := io.ReadFull(conn, begin)
	return err == nil && string(begin) == status
}

// request looks at how the server asks for a client certificate.
func (e *exam) request(d *door, s shake) {
	if !s.asked {
		d.find("tls", "M108", "")
	} else if s.caBytes >= manyCABytes {
		d.find("tls", "M107", fmt.Sprintf("%d names, %d bytes", s.caCount, s.caBytes))
	}
}

// verifyServer judges the server's certificate at now.
func (e *exam) verifyServer(chain []*x509.Certificate, now time.Time) error {
	o := x509.VerifyOptions{Roots: e.roots, Intermediates: x509.NewCertPool(), DNSName: e.cfg.Server, CurrentTime: now}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(o)
	return err
}

// judgeServerDates says what is wrong with the server's certificates. One that
// is valid by the server's clock and not by ours is no fault of its own.
func (e *exam) judgeServerDates(doors []*door) {
	for _, d := range doors {
		if d.verify == nil {
			continue
		}
		check, leaf := "certificate "+d.name, d.chain[0]
		invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](d.verify)
		switch _, isName := errors.AsType[x509.HostnameError](d.verify); {
		case isName:
			e.find(check, "M102", d.verify.Error())
		case isInvalid && invalid.Reason == x509.Expired:
			if e.validThere(d) {
				e.skip(check, "the server's certificate is valid by the server's clock")
				continue
			}
			e.find(check, "M103", d.verify.Error())
		default:
			e.find(check, "M101", fmt.Sprintf("%v (the issuer is %s)", d.verify, leaf.Issuer))
		}
	}
}

// validThere reports whether the certificate of d is valid by the server's clock.
// If that is ahead, the agent takes it for its own.
func (e *exam) validThere(d *door) bool {
	if e.offset == nil {
		return false
	}
	there := e.o.Now().Add(*e.offset)
	if e.verifyServer(d.chain, there) != nil {
		return false
	}
	if *e.offset > 0 {
		d.usable = e.clock.Synchronise(there)
	}
	return true
}

// tlsCode names why a handshake, or what followed it, failed.
func tlsCode(err error, withCertificate bool) Code {
	if err == nil {
		return ""
	}
	if _, ok := errors.AsType[*dial.ProxyError](err); ok {
		return tcpCode(err)
	}
	if _, ok := errors.AsType[slowError](err); ok {
		return "M048"
	}
	text := err.Error()
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return alertCode(text, withCertificate)
	}
	_, isSign := errors.AsType[signError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case noTLS:
		return "M100"
	case strings.Contains(text, "exceeds maximum of"):
		return "M106"
	case isSign, strings.Contains(text, "failed to sign handshake"): // TLS 1.3 keeps the text alone
		return "M043"
	case strings.Contains(text, "unsupported protocol version"), strings.Contains(text, "no supported versions"):
		return "M104"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return "M109"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout():
		return "M110"
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return tcpCode(err)
	}
	return "M199"
}

// alerts are the texts of crypto/tls, which does not export the alerts of a
// TCP connection.
var alerts = []struct {
	text string
	code Code
}{
	{"unknown certificate authority", "M112"}, {"expired certificate", "M113"}, {"revoked certificate", "M114"}, {"error decrypting message", "M115"},
	{"protocol version not supported", "M104"}, {"insufficient security level", "M104"}, {"internal error", "M109"},
}

func alertCode(text string, withCertificate bool) Code {
	for _, a := range alerts {
		if strings.Contains(text, a.text) {
			return a.code
		}
	}
	if withCertificate {
		return "M111"
	}
	return "M104"
}
