package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"mooring/server/config"
	"mooring/server/servertest"
)

// connectPacket is a CONNECT of MQTT 3.1.1 with clean session.
func connectPacket(id, user, password string) []byte {
	text := func(b []byte, s string) []byte { return append(append(b, byte(len(s)>>8), byte(len(s))), s...) }
	flags := byte(2)
	body := text(nil, id)
	if user != "" {
		flags |= 0x80
		body = text(body, user)
	}
	if password != "" {
		flags |= 0x40
		body = text(body, password)
	}
	head := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, flags, 0, 60}, body...)
	return append([]byte{0x10, byte(len(head))}, head...)
}

// withDoors opens every MQTT listener.
func withDoors(c *config.Config) {
	c.Listeners.MQTT, c.Listeners.Service, c.Listeners.ServicePlain = "127.0.0.1:1883", "127.0.0.1:9883", "127.0.0.1:2883"
	c.Listeners.HTTP = "127.0.0.1:80"
}

// dialer dials on the server's network; with TLS unless the port is plain.
func dialTo(t *testing.T, s *servertest.Server, port string, cfg *tls.Config) io.ReadWriteCloser {
	t.Helper()
	c, err := s.Network.DialContext(t.Context(), "tcp", servertest.Host+":"+port)
	if err != nil {
		t.Fatal(err)
	}
	if cfg != nil {
		c = tls.Client(c, cfg)
	}
	_ = c.SetDeadline(time.Now().Add(answerWithin))
	t.Cleanup(func() { c.Close() })
	return c
}

// frames is a WebSocket as a stream.
type frames struct {
	*websocket.Conn
	rest []byte
}

func (f *frames) Write(b []byte) (int, error) {
	return len(b), f.WriteMessage(websocket.BinaryMessage, b)
}

func (f *frames) Read(b []byte) (_ int, err error) {
	if len(f.rest) == 0 {
		if _, f.rest, err = f.ReadMessage(); err != nil {
			return 0, err
		}
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func dialWebSocket(t *testing.T, s *servertest.Server, url string) (io.ReadWriteCloser, int) {
	t.Helper()
	d := websocket.Dialer{Subprotocols: []string{"mqtt"}, TLSClientConfig: s.TLSConfig(),
		NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return s.Network.DialContext(ctx, network, addr)
		}}
	ws, answer, err := d.Dial(url, nil)
	if err != nil {
		if answer == nil {
			t.Fatalf("%s: %v", url, err)
		}
		return nil, answer.StatusCode
	}
	_ = ws.SetReadDeadline(time.Now().Add(answerWithin))
	t.Cleanup(func() { ws.Close() })
	return &frames{Conn: ws}, answer.StatusCode
}

// TestMQTTDoors: every way to Core MQTT and to the MQTT Service, with the right
// password and with a wrong one (mqtt.md §1.1, §1.8).
func TestMQTTDoors(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true, Configure: withDoors})
	secured := s.TLSConfig()
	doors := []struct {
		name  string
		dial  func() io.ReadWriteCloser
		wrong byte
	}{
		{"mqtts", func() io.ReadWriteCloser { return dialTo(t, s, "8883", secured) }, 4},
		{"mqtt", func() io.ReadWriteCloser { return dialTo(t, s, "1883", nil) }, 4},
		{"https", func() io.ReadWriteCloser { c, _ := dialWebSocket(t, s, "wss://"+servertest.Host+"/mqtt"); return c }, 4},
		{"http", func() io.ReadWriteCloser { c, _ := dialWebSocket(t, s, "ws://"+servertest.Host+"/mqtt"); return c }, 4},
		{"service", func() io.ReadWriteCloser { return dialTo(t, s, "9883", secured) }, 5},
		{"service-plain", func() io.ReadWriteCloser { return dialTo(t, s, "2883", nil) }, 5},
	}
	for _, door := range doors {
		for _, tt := range []struct {
			user, password string
			want           byte
		}{
			{"t1000/admin", servertest.AdminPassword, 0},
			{"t1000/admin", "wrong", door.wrong},
			{"t1000/nobody", "wrong", door.wrong},
			{"t9/admin", servertest.AdminPassword, door.wrong},
			{"admin", servertest.AdminPassword, door.wrong},
		} {
			c := door.dial()
			if _, err := c.Write(connectPacket("door", tt.user, tt.password)); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 4)
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, []byte{0x20, 2, 0, tt.want}) {
				t.Errorf("%s: %s with %q: % x, %v, want code %d", door.name, tt.user, tt.password, got, err, tt.want)
			}
			c.Close()
		}
	}
	for url, want := range map[string]int{
		"wss://" + servertest.Host + "/mqtt/": http.StatusNotFound, "ws://" + servertest.Host + "/": http.StatusNotFound,
		"wss://" + servertest.Host + ":8443/mqtt": http.StatusNotFound,
	} {
		if _, got := dialWebSocket(t, s, url); got == http.StatusSwitchingProtocols || got < 400 {
			t.Errorf("%s: status %d, want %d or another refusal", url, got, want)
		}
	}
}

// TestServiceByCertificate: a device connects with its tenant's name, and goes when
// its certificate is revoked or its trust withdrawn.
func TestServiceByCertificate(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true, Configure: withDoors})
	a := newAnchor(t)
	fingerprint := a.upload(s)
	for user, want := range map[string]byte{"t1000": 0, "": 0, "t2000": 5} {
		c := dialTo(t, s, "9883", s.TLSConfig(a.leaf(t, "dev1", 7)))
		if _, err := c.Write(connectPacket("dev1", user, "")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 4)
		if _, err := io.ReadFull(c, got); err != nil || got[3] != want {
			t.Errorf("user %q: % x, %v, want code %d", user, got, err, want)
		}
		c.Close()
	}
	c := dialTo(t, s, "9883", s.TLSConfig(a.leaf(t, "dev1", 7)))
	if _, err := c.Write(connectPacket("dev1", "t1000", "")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	s.Call(http.MethodPut, trustedPath+"/"+fingerprint, map[string]any{"status": "DISABLED"}, nil)
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the anchor was disabled: %v, want the end", err)
	}
}

// TestOneWayTLS: an instance that takes no certificates asks for none, and says so.
func TestOneWayTLS(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true, Configure: func(c *config.Config) { withDoors(c); c.TLS.OneWay = true }})
	a := newAnchor(t)
	a.upload(s)
	for _, port := range []string{"8883", "9883"} {
		asked := false
		cfg := s.TLSConfig()
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			leaf := a.leaf(t, "dev1", 7)
			return &leaf, nil
		}
		c := dialTo(t, s, port, cfg)
		if _, err := c.Write(connectPacket("dev1", "", "")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 4)
		if _, err := io.ReadFull(c, got); err != nil || got[3] != 5 {
			t.Errorf("port %s: % x, %v, want code 5", port, got, err)
		}
		if asked {
			t.Errorf("port %s asked for a certificate", port)
		}
	}
}
