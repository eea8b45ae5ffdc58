package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// client is the least MQTT 3.1.1 that can load a broker.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

// tlsConfig is a client's; the server's certificate is not checked.
func tlsConfig(cert *tls.Certificate, cache tls.ClientSessionCache) *tls.Config {
	cfg := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: cache, ServerName: "localhost"}
	if cert != nil {
		cfg.Certificates = []tls.Certificate{*cert}
	}
	return cfg
}

// connect dials, shakes hands and waits for CONNACK 0. cfg nil: no TLS.
func connect(ctx context.Context, addr, id string, cfg *tls.Config) (*client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if cfg != nil {
		conn = tls.Client(conn, cfg)
	}
	c := &client{conn, bufio.NewReaderSize(conn, 512)}
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0xff, 0xff}, mqttString(id)...)
	if err = c.send(0x10, body); err == nil {
		err = c.expect(0x20, func(p []byte) bool { return len(p) == 2 && p[1] == 0 })
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect %s: %w", id, err)
	}
	return c, nil
}

func mqttString(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func packet(first byte, body []byte) []byte {
	p := []byte{first}
	for n := len(body); ; {
		b := byte(n % 128)
		if n /= 128; n > 0 {
			p = append(p, b|128)
			continue
		}
		return append(append(p, b), body...)
	}
}

func (c *client) send(first byte, body []byte) error {
	_, err := c.conn.Write(packet(first, body))
	return err
}

// read returns the next packet.
func (c *client) read() (first byte, body []byte, err error) {
	if first, err = c.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(c.in) // MQTT's variable length has the same form
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, n)
	_, err = io.ReadFull(c.in, body)
	return first, body, err
}

func (c *client) expect(kind byte, good func([]byte) bool) error {
	first, body, err := c.read()
	if err != nil {
		return err
	}
	if first&0xf0 != kind || !good(body) {
		return fmt.Errorf("got packet %#x % x", first, body)
	}
	return nil
}

func (c *client) close() {
	_ = c.send(0xe0, nil) // DISCONNECT; the other side may be gone
	c.conn.Close()
}

// publish sends n QoS 1 messages with at most window unacknowledged and returns
// when all are acknowledged.
func (c *client) publish(n, window int, topic string, payload []byte) error {
	body := append(mqttString(topic), 0, 0)
	id := len(body) - 2
	body = append(body, payload...)
	frame := packet(0x32, body)
	id += len(frame) - len(body)
	out := bufio.NewWriterSize(c.conn, 16<<10)
	sent, acked := 0, 0
	for acked < n {
		for sent < n && sent-acked < window {
			binary.BigEndian.PutUint16(frame[id:], uint16(sent%65535+1))
			if _, err := out.Write(frame); err != nil {
				return err
			}
			sent++
		}
		if err := out.Flush(); err != nil {
			return err
		}
		for first := true; first || c.in.Buffered() >= 4 && acked < sent; first = false {
			if err := c.expect(0x40, func(p []byte) bool { return len(p) == 2 }); err != nil {
				return err
			}
			acked++
		}
	}
	return nil
}
