package interop_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// The first bytes of the packets of MQTT 3.1.1 that the tests send and expect
// (§2.2).
const (
	packetConnect    = 0x10
	packetConnack    = 0x20
	packetPublish1   = 0x32 // QoS 1
	packetPublish2   = 0x34 // QoS 2
	packetPuback     = 0x40
	packetPubrec     = 0x50
	packetPubrel     = 0x62
	packetPubcomp    = 0x70
	flagDuplicate    = 0x08
	keepAliveSeconds = 60
	// packetLimit is how long a client waits for the next packet.
	packetLimit = conditionLimit
)

// mqttClient is the least MQTT 3.1.1 over mutual TLS, with nothing between the
// test and the packets.
type mqttClient struct {
	conn net.Conn
	in   *bufio.Reader
}

// dialMQTT connects as the owner of pair.
func dialMQTT(ctx context.Context, s *instance, id string, pair tls.Certificate, cleanSession bool) (*mqttClient, error) {
	root, err := os.ReadFile(s.rootFile())
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}}
	conn, err := dialer.DialContext(ctx, "tcp", s.MQTTS)
	if err != nil {
		return nil, err
	}
	c := &mqttClient{conn, bufio.NewReader(conn)}
	flags := byte(0)
	if cleanSession {
		flags = 2
	}
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, flags, 0, keepAliveSeconds}, mqttString(id)...)
	if err := c.send(packetConnect, body); err != nil {
		c.close()
		return nil, err
	}
	first, body, err := c.read()
	if err == nil && (first != packetConnack || len(body) != 2 || body[1] != 0) {
		err = fmt.Errorf("CONNECT got %#x % x", first, body)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func mqttString(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func (c *mqttClient) send(first byte, body []byte) error {
	p := binary.AppendUvarint([]byte{first}, uint64(len(body))) // MQTT's length has the same form
	_, err := c.conn.Write(append(p, body...))
	return err
}

// publish sends one line to s/us.
func (c *mqttClient) publish(first byte, id uint16, line string) error {
	body := binary.BigEndian.AppendUint16(mqttString("s/us"), id)
	return c.send(first, append(body, line...))
}

// acknowledge sends a packet that is only an ID.
func (c *mqttClient) acknowledge(first byte, id uint16) error {
	return c.send(first, binary.BigEndian.AppendUint16(nil, id))
}

// read returns the next packet.
func (c *mqttClient) read() (first byte, body []byte, err error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(packetLimit)); err != nil {
		return 0, nil, err
	}
	if first, err = c.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(c.in)
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, n)
	_, err = io.ReadFull(c.in, body)
	return first, body, err
}

// readID returns the next packet, which is only an ID.
func (c *mqttClient) readID() (first byte, id uint16, err error) {
	first, body, err := c.read()
	if err == nil && len(body) != 2 {
		err = fmt.Errorf("got %#x with %d bytes", first, len(body))
	}
	if err != nil {
		return 0, 0, err
	}
	return first, binary.BigEndian.Uint16(body), nil
}

func (c *mqttClient) close() { _ = c.conn.Close() }

// mustDial is dialMQTT for a device that must get in.
func mustDial(t testing.TB, s *instance, id string, pair tls.Certificate) *mqttClient {
	t.Helper()
	c, err := dialMQTT(t.Context(), s, id, pair, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}
