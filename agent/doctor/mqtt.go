package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"mooring/agent/identity"
	"mooring/internal/smartrest"
)

const (
	connackLimit = 15 * time.Second
	tokenLimit   = 10 * time.Second
	// watchKick is how long a connection is kept to see whether another client
	// with this ID takes it over: clients come back within seconds.
	watchKick = 4 * time.Second
	// secondTry is between a refusal and the next CONNECT: servers refuse now
	// and then for no lasting reason (contract mqtt.md §1.8, code 3 and 5).
	secondTry = time.Second

	topicTokenAsk   = "s/uat"
	topicTokenReply = "s/dat"
)

// mqtt shows the certificate on the port of MQTT, in both versions of TLS, and
// connects if nobody else may be connected.
func (e *exam) mqtt(ctx context.Context, d, mtls *door) {
	if !d.usable {
		return
	}
	if !e.shakeBoth(ctx, d) {
		e.explainRefusal(ctx, mtls)
		return
	}
	if e.busy {
		e.skip("mqtt", "not connected: the running agent has the one session of this client ID")
		return
	}
	release, err := e.o.Lock(e.cfg.State)
	if errors.Is(err, identity.ErrLocked) {
		e.skip("mqtt", "not connected: an agent has just started")
		return
	}
	if err == nil {
		defer release()
	}
	e.connect(ctx, d, mtls)
}

// explainRefusal adds what the server has to say after a refusal in TLS.
func (e *exam) explainRefusal(ctx context.Context, mtls *door) {
	if x := e.explanation(ctx, mtls); x.Reason != "" {
		e.explain(ctx, "explain", mtls)
	} else if e.has("M111") || e.has("M112") {
		e.rootMissing(e.id.Chain)
	}
}

// shakeBoth reports whether a handshake with the certificate works.
func (e *exam) shakeBoth(ctx context.Context, d *door) (works bool) {
	var names string
	var failed []Finding
	for _, v := range []struct {
		version uint16
		offered bool
	}{{tls.VersionTLS13, d.tls13}, {tls.VersionTLS12, d.tls12}} {
		if !v.offered {
			continue
		}
		conn, s := e.handshake(ctx, d, v.version, v.version, e.id)
		if s.err == nil {
			s.err = s.slowly(refusedAfterwards(conn, v.version))
			_ = conn.Close()
		}
		if ctx.Err() != nil {
			break
		}
		if s.err != nil {
			failed = append(failed, finding("tls+cert mqtts", tlsCode(s.err, true), tls.VersionName(v.version)+": "+s.err.Error()))
			continue
		}
		works = true
		names += ", " + tls.VersionName(v.version)
	}
	if works {
		e.ok("tls+cert mqtts", "the certificate is taken with%s", names[1:])
	}
	for _, f := range failed {
		if works {
			f.Level = Warning
		}
		e.add(f)
	}
	return works
}

// refusedAfterwards waits a moment for the refusal that TLS 1.3 sends late.
func refusedAfterwards(conn *tls.Conn, version uint16) error {
	if version != tls.VersionTLS13 {
		return nil
	}
	_ = conn.SetReadDeadline(time.Now().Add(afterwards)) // fails on closed connections only
	_, err := conn.Read(make([]byte, 1))
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return nil
	}
	return err
}

// connackCodes are for the refusals of a CONNACK (MQTT 3.1.1 §3.2.2.3).
var connackCodes = map[byte]Code{1: "M150", 2: "M151", 3: "M152", 4: "M140", 5: "M120"}

// connect opens a session, asks for a token and watches.
func (e *exam) connect(ctx context.Context, d, mtls *door) {
	const check = "mqtt"
	conn, in, code, err := e.connectOnce(ctx, d)
	if code == "M120" || code == "M152" {
		firstCode := code
		if !sleep(ctx, secondTry) {
			return
		}
		if conn, in, code, err = e.connectOnce(ctx, d); code == "" {
			e.find(check, "M156", "the first time: "+string(firstCode))
		}
	}
	if ctx.Err() != nil {
		if conn != nil {
			_ = conn.Close()
		}
		return
	}
	switch code {
	case "":
	case "M120":
		e.explain(ctx, check, mtls)
		return
	default:
		e.find(check, code, err.Error())
		if code != "M152" {
			e.explainRefusal(ctx, mtls)
		}
		return
	}
	defer func() { _ = conn.Close() }()
	e.ok(check, "connected as %s", e.cfg.DeviceID)
	accepted := time.Now()
	e.session(ctx, conn, in, accepted.Add(watchKick))
}

// connectOnce returns a session, or a code.
func (e *exam) connectOnce(ctx context.Context, d *door) (*tls.Conn, *bufio.Reader, Code, error) {
	conn, s := e.handshake(ctx, d, tls.VersionTLS12, tls.VersionTLS13, e.id)
	if s.err != nil {
		return nil, nil, tlsCode(s.err, true), s.err
	}
	code, err := Code(""), e.verifyServer(conn.ConnectionState().PeerCertificates, e.now())
	if err != nil {
		code = "M101"
	}
	in := bufio.NewReader(conn)
	if err == nil {
		if code, err = greet(ctx, conn, in, e.cfg.DeviceID); code == "M157" || code == "M153" {
			if late := s.slowly(err); tlsCode(late, true) == "M048" {
				code, err = "M048", late
			}
		}
	}
	if code != "" {
		_ = conn.Close()
		return nil, nil, code, err
	}
	return conn, in, "", nil
}

// greet sends CONNECT and waits for its answer.
func greet(ctx context.Context, conn *tls.Conn, in *bufio.Reader, clientID string) (Code, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(connackLimit)) // fails on closed connections only
	if _, err := conn.Write(connectPacket(clientID).encode()); err != nil {
		err = afterWrite(conn, err)
		return brokenCode(err), err
	}
	p := packet{}
	first, err := in.Peek(1)
	if err == nil && first[0] != typeConnack {
		err = errNotMQTT
	}
	if err == nil {
		p, err = readPacket(in)
	}
	if errors.Is(err, errNotMQTT) || errors.Is(err, errTooLong) {
		return "M154", err
	}
	if err != nil {
		return brokenCode(err), err
	}
	if len(p.body) != 2 {
		return "M154", errNotMQTT
	}
	code, known := connackCodes[p.body[1]]
	switch {
	case p.body[1] == 0:
		return "", nil
	case !known:
		return "M154", fmt.Errorf("CONNACK %d", p.body[1])
	}
	return code, fmt.Errorf("CONNACK %d", p.body[1])
}

// brokenCode names an end before the CONNACK. A refusal of the certificate may
// come as late as here.
func brokenCode(err error) Code {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "M153"
	}
	if code := tlsCode(err, true); code != "M109" {
		return code
	}
	return "M157"
}

// session asks for a device token and keeps the connection until end, to see
// whether somebody else takes it over.
func (e *exam) session(ctx context.Context, conn *tls.Conn, in *bufio.Reader, end time.Time) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(tokenLimit)) // fails on closed connections only
	_, err := conn.Write(subscribePacket(topicTokenReply).encode())
	token, granted, asked := "", true, false
	for err == nil {
		var p packet
		if p, err = readPacket(in); err != nil {
			break
		}
		if p.kind == typeSuback && !asked {
			asked, granted = true, len(p.body) == 3 && p.body[2] != 0x80
			if granted {
				_, err = conn.Write(publishPacket(topicTokenAsk).encode())
			}
		} else if topic, text, ok := p.message(); ok && topic == topicTokenReply {
			token = tokenOf(text)
		}
		if token != "" || !granted {
			_ = conn.SetDeadline(end) // fails on closed connections only
		}
	}
	if ctx.Err() != nil {
		return
	}
	if kicked := !errors.Is(err, os.ErrDeadlineExceeded); kicked {
		e.find("mqtt", "M155", err.Error())
		return
	}
	_ = conn.SetDeadline(time.Now().Add(time.Second))        // fails on closed connections only
	_, _ = conn.Write(packet{kind: typeDisconnect}.encode()) // a courtesy
	e.judgeToken(token, granted)
}

func (e *exam) judgeToken(token string, granted bool) {
	const check = "token mqtt"
	switch {
	case !granted:
		e.skip(check, "the server does not know the device yet and gives it no topics; mooring-agent run introduces it")
	case token == "":
		e.find(check, "M160", "no answer on "+topicTokenReply)
	default:
		if claims, ok := e.readToken(check, token); ok {
			e.ok(check, "for %s, to %s", claims.Subject, claims.Expires.UTC().Format(time.RFC3339))
		}
	}
}

// tokenOf reads a line 71 (contract mqtt.md §7.2).
func tokenOf(payload string) string {
	lines, err := smartrest.Parse([]byte(payload))
	if err != nil {
		return ""
	}
	for _, l := range lines {
		if l.Err == nil && l.TemplateID == smartrest.TemplateDeviceToken {
			return l.Field(0)
		}
	}
	return ""
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
