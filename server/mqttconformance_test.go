package server_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/server/servertest"
)

// raw speaks MQTT in bytes, to the whole server over its plain listener.
type raw struct {
	*testing.T
	net.Conn
}

func dialRaw(t *testing.T, s *servertest.Server) raw {
	t.Helper()
	c, err := s.Network.DialContext(t.Context(), "tcp", servertest.Host+":1883")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return raw{t, c}
}

// packet puts a fixed header before a body.
func packet(first byte, body ...byte) []byte {
	b := []byte{first}
	for n := len(body); ; {
		digit := byte(n % 128)
		if n /= 128; n > 0 {
			b = append(b, digit|0x80)
			continue
		}
		return append(append(b, digit), body...)
	}
}

func text(s string) []byte { return append([]byte{byte(len(s) >> 8), byte(len(s))}, s...) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// connectOf is a CONNECT whose every byte may be chosen.
type connectOf struct {
	name      string
	level     byte
	flags     byte // besides user and password
	keepAlive byte // seconds
	id        string
	will      [2]string
	noUser    bool
}

func (o connectOf) bytes() []byte {
	if o.name == "" {
		o.name = "MQTT"
	}
	if o.level == 0 {
		o.level = 4
	}
	flags := o.flags | 0xc0
	if o.noUser {
		flags = o.flags
	}
	body := join(text(o.name), []byte{o.level, flags, 0, o.keepAlive}, text(o.id))
	if flags&4 != 0 {
		body = join(body, text(o.will[0]), text(o.will[1]))
	}
	if flags&0x80 != 0 {
		body = join(body, text("t1000/admin"))
	}
	if flags&0x40 != 0 {
		body = join(body, text(servertest.AdminPassword))
	}
	return packet(0x10, body...)
}

func publishOf(first byte, id uint16, topic string, payload string) []byte {
	body := text(topic)
	if first&6 != 0 {
		body = append(body, byte(id>>8), byte(id))
	}
	return packet(first, append(body, payload...)...)
}

func subscribeOf(id uint16, qos byte, filters ...string) []byte {
	body := []byte{byte(id >> 8), byte(id)}
	for _, f := range filters {
		body = append(append(body, text(f)...), qos)
	}
	return packet(0x82, body...)
}

func (c raw) send(b ...[]byte) {
	c.Helper()
	if _, err := c.Write(join(b...)); err != nil {
		c.Errorf("write: %v", err)
	}
}

// want reads exactly these bytes, in hexadecimal with blanks anywhere.
func (c raw) want(hexadecimal string) {
	c.Helper()
	want, err := hex.DecodeString(strings.ReplaceAll(hexadecimal, " ", ""))
	if err != nil {
		c.Fatal(err)
	}
	got := make([]byte, len(want))
	n, err := io.ReadFull(c, got)
	if err != nil || !bytes.Equal(got, want) {
		c.Fatalf("got % x, %v, want % x", got[:n], err, want)
	}
}

// silent fails if the server says anything, or ends, before the bubble is idle.
func (c raw) silent() {
	c.Helper()
	synctest.Wait()
	_ = c.SetReadDeadline(time.Now())
	b := make([]byte, 64)
	n, err := c.Read(b)
	_ = c.SetReadDeadline(time.Time{})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		c.Fatalf("got % x, %v, want silence", b[:n], err)
	}
}

// ends fails unless the server closes without another byte.
func (c raw) ends() {
	c.Helper()
	if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
		c.Fatalf("got % x, %v, want the end", b, err)
	}
}

// login connects as id with clean session and a device object.
func (c raw) login(id string) {
	c.Helper()
	c.send(connectOf{id: id, flags: 2}.bytes(), publishOf(0x32, 1, "s/us", "100"))
	c.want("20020000 40020001")
}

const accepted = "20020000"

// events counts the events of a type.
func events(s *servertest.Server, kind string) int {
	var list struct{ Events []struct{ ID string } }
	s.Call(http.MethodGet, "/event/events?pageSize=2000&type="+kind, nil, &list)
	return len(list.Events)
}

// TestConformance drives the Core MQTT listener of the whole server byte by byte,
// along MQTT 3.1.1 and the differences of mqtt.md §1.
func TestConformance(t *testing.T) {
	same := func(b byte) string { return strings.Repeat(string(rune(b)), 24) }
	tests := []struct {
		name string
		run  func(c raw, s *servertest.Server, id string)
	}{
		// §3.1 CONNECT
		{"byte by byte", func(c raw, _ *servertest.Server, id string) {
			for _, b := range join(connectOf{id: id, flags: 2}.bytes(), []byte{0xc0, 0}) {
				c.send([]byte{b})
			}
			c.want(accepted + "d000")
		}},
		{"everything at once", func(c raw, _ *servertest.Server, id string) {
			c.send(connectOf{id: id, flags: 2}.bytes(), []byte{0xc0, 0}, publishOf(0x32, 7, "s/us", "100"), []byte{0xe0, 0})
			c.want(accepted + "d000")
			c.ends() // DISCONNECT came before the publish was durable: nobody waits for its PUBACK
		}},
		{"MQTT-3.1.0-1 first packet is no CONNECT", func(c raw, _ *servertest.Server, _ string) { c.send([]byte{0xc0, 0}); c.ends() }},
		{"MQTT-3.1.0-2 second CONNECT", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(connectOf{id: id, flags: 2}.bytes())
			c.ends()
		}},
		{"MQTT-3.1.2-1 another protocol", func(c raw, _ *servertest.Server, id string) {
			c.send(connectOf{id: id, flags: 2, name: "HTTP"}.bytes())
			c.want("20020001")
			c.ends()
		}},
		{"MQTT-3.1.2-2 MQTT 5", func(c raw, _ *servertest.Server, id string) {
			b := join(text("MQTT"), []byte{5, 0xc2, 0, 0, 0}, text(id), text("t1000/admin"), text(servertest.AdminPassword))
			c.send(packet(0x10, b...))
			c.want("20020001")
			c.ends()
		}},
		{"MQTT-3.1.2-3 reserved flag", func(c raw, _ *servertest.Server, id string) { c.send(connectOf{id: id, flags: 3}.bytes()); c.ends() }},
		{"MQTT-3.1.2-14 will QoS 3", func(c raw, _ *servertest.Server, id string) {
			c.send(connectOf{id: id, flags: 0x1e, will: [2]string{"s/us", "125"}}.bytes())
			c.ends()
		}},
		{"MQTT-3.1.2-13 will QoS without will", func(c raw, _ *servertest.Server, id string) { c.send(connectOf{id: id, flags: 0x0a}.bytes()); c.ends() }},
		{"MQTT-3.1.2-15 will retain without will", func(c raw, _ *servertest.Server, id string) { c.send(connectOf{id: id, flags: 0x22}.bytes()); c.ends() }},
		{"MQTT-3.1.2-22 password without user", func(c raw, _ *servertest.Server, id string) {
			c.send(packet(0x10, join(text("MQTT"), []byte{4, 0x42, 0, 0}, text(id), text("x"))...))
			c.ends()
		}},
		{"MQTT-3.1.3-4 client ID that is no UTF-8", func(c raw, _ *servertest.Server, _ string) {
			c.send(connectOf{id: "\xff\xfe", flags: 2}.bytes())
			c.ends()
		}},
		{"CONNECT cut short", func(c raw, _ *servertest.Server, id string) {
			b := connectOf{id: id, flags: 2}.bytes()
			c.send(packet(0x10, b[2:len(b)-4]...))
			c.ends()
		}},
		{"zero-length client ID", func(c raw, _ *servertest.Server, _ string) {
			c.send(connectOf{flags: 2}.bytes())
			c.want("20020002")
			c.ends()
		}},
		{"zero-length client ID and clean session 0", func(c raw, _ *servertest.Server, _ string) { c.send(connectOf{}.bytes()); c.want("20020002"); c.ends() }},
		{"no credentials", func(c raw, _ *servertest.Server, id string) {
			c.send(connectOf{id: id, flags: 2, noUser: true}.bytes())
			c.want("20020005")
			c.ends()
		}},
		{"MQTT 3.1 with 23 characters", func(c raw, _ *servertest.Server, _ string) {
			c.send(connectOf{id: same('a')[:23], flags: 2, name: "MQIsdp", level: 3}.bytes())
			c.want(accepted)
		}},
		{"MQTT 3.1 with 24 characters", func(c raw, _ *servertest.Server, _ string) {
			c.send(connectOf{id: same('a'), flags: 2, name: "MQIsdp", level: 3}.bytes())
			c.want("20020005")
			c.ends()
		}},
		{"clean session 0 finds no session", func(c raw, s *servertest.Server, id string) {
			for range 2 {
				d := dialRaw(c.T, s)
				d.send(connectOf{id: id}.bytes())
				d.want(accepted)
				d.Close()
			}
		}},
		{"ten seconds to CONNECT", func(c raw, _ *servertest.Server, id string) {
			time.Sleep(9 * time.Second)
			c.silent()
			time.Sleep(time.Second)
			c.ends()
		}},
		// §3.1.2.10 keep-alive
		{"MQTT-3.1.2-24 one and a half times the keep-alive", func(c raw, _ *servertest.Server, id string) {
			c.send(connectOf{id: id, flags: 2, keepAlive: 10}.bytes())
			c.want(accepted)
			for range 3 {
				time.Sleep(15*time.Second - time.Millisecond)
				c.send([]byte{0xc0, 0})
				c.want("d000")
			}
			time.Sleep(15*time.Second - time.Millisecond)
			c.silent()
			time.Sleep(time.Millisecond)
			c.ends()
		}},
		{"no keep-alive", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			time.Sleep(24 * time.Hour)
			c.silent()
		}},
		// §3.1.4 takeover, §3.1.2.5 will
		{"MQTT-3.1.4-2 takeover", func(c raw, s *servertest.Server, id string) {
			c.login(id)
			d := dialRaw(c.T, s)
			d.send(connectOf{id: "d:" + id, flags: 2}.bytes())
			d.want(accepted)
			c.ends()
		}},
		{"will after a cut, not after DISCONNECT", func(c raw, s *servertest.Server, id string) {
			will := connectOf{id: id, flags: 6, will: [2]string{"s/us", "400,c8y_Will,gone"}}
			for i, goodbye := range []bool{true, false} {
				d := dialRaw(c.T, s)
				d.send(will.bytes())
				d.want(accepted)
				if goodbye {
					d.send([]byte{0xe0, 0})
					d.ends()
				}
				d.Close()
				synctest.Wait()
				if got := events(s, "c8y_Will"); got != i {
					c.Errorf("%d wills, want %d", got, i)
				}
			}
		}},
		// §3.3 PUBLISH
		{"MQTT-3.3.1-4 QoS 3", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(publishOf(0x36, 2, "s/us", "125"))
			c.ends()
		}},
		{"MQTT-3.3.1-2 DUP without QoS", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(publishOf(0x38, 0, "s/us", "125"))
			c.ends()
		}},
		{"MQTT-2.3.1-1 packet ID 0", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(publishOf(0x32, 0, "s/us", "125"))
			c.ends()
		}},
		{"MQTT-3.3.2-1 topic that is no UTF-8", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(publishOf(0x32, 2, "s/\xff", "125"))
			c.ends()
		}},
		{"MQTT-1.5.3-2 topic with NUL", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(publishOf(0x32, 2, "s/u\x00", "125"))
			c.ends()
		}},
		{"MQTT-3.3.2-2 topic with wildcard", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(publishOf(0x32, 2, "s/#", "125"))
			c.ends()
		}},
		{"MQTT-4.7.3-1 empty topic", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(publishOf(0x32, 2, "", "125"))
			c.ends()
		}},
		{"empty payload, unknown topic, retained, DUP: acknowledged", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(publishOf(0x32, 2, "s/us", ""), publishOf(0x32, 3, "any/topic", "x"), publishOf(0x33, 4, "s/us", "125"), publishOf(0x3a, 5, "s/us", "125"))
			c.want("40020002 40020003 40020004 40020005")
		}},
		{"payload that is no text", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(publishOf(0x32, 2, "s/us", "200,\xff\x00,T,1\n125"))
			c.want("40020002")
		}},
		{"16183, 16184 and 16185 bytes", func(c raw, s *servertest.Server, id string) {
			for n, ok := range map[int]bool{16183: true, 16184: true, 16185: false} {
				d := dialRaw(c.T, s)
				d.login(id)
				b := publishOf(0x32, 2, "s/us", strings.Repeat(" ", n-3-8))
				if len(b) != n {
					c.Fatalf("%d bytes, want %d", len(b), n)
				}
				if d.send(b); ok {
					d.want("40020002")
				} else {
					d.ends()
				}
			}
		}},
		// §4.3 QoS
		{"QoS 2, each step twice", func(c raw, s *servertest.Server, id string) {
			c.login(id)
			two := publishOf(0x34, 2, "s/us", "400,c8y_Twice,x")
			again := publishOf(0x3c, 2, "s/us", "400,c8y_Twice,x")
			c.send(two)
			c.want("50020002")
			c.send(again)
			c.want("50020002")
			for range 2 {
				c.send(packet(0x62, 0, 2))
				c.want("70020002")
			}
			if got := events(s, "c8y_Twice"); got != 1 {
				c.Errorf("%d events, want 1", got)
			}
		}},
		{"MQTT-3.6.1-1 flags of PUBREL", func(c raw, _ *servertest.Server, id string) { c.login(id); c.send(packet(0x60, 0, 2)); c.ends() }},
		{"acknowledgements of nothing", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(packet(0x40, 0, 9), packet(0x50, 0, 9), packet(0x70, 0, 9), []byte{0xc0, 0})
			c.want("d000")
		}},
		{"MQTT-4.6.0 acknowledgements in order", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			var sent []byte
			want := ""
			for i := range 40 {
				sent = append(sent, publishOf(0x32, uint16(100+i), "s/us", "211,1")...)
				want += fmt.Sprintf("400200%02x", 100+i)
			}
			c.send(sent)
			c.want(want)
		}},
		{"delivery with QoS 0, 1 and 2", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			line := hex.EncodeToString([]byte("106"))
			topic := "0004" + hex.EncodeToString([]byte("s/ds"))
			ask := publishOf(0x30, 0, "s/us", "105")
			c.send(subscribeOf(2, 0, "s/ds"), ask)
			c.want("9003 0002 00" + "3009" + topic + line)
			c.send(subscribeOf(3, 1, "s/ds"), ask)
			c.want("9003 0003 01" + "320b" + topic + "0001" + line)
			c.send(packet(0x40, 0, 1), subscribeOf(4, 2, "s/ds"), ask)
			c.want("9003 0004 02" + "340b" + topic + "0002" + line)
			c.send(packet(0x50, 0, 2))
			c.want("62020002")
			c.send(packet(0x70, 0, 2), packet(0xa2, join([]byte{0, 5}, text("s/ds"))...), ask)
			c.want("b0020005")
			c.silent()
		}},
		// §3.8 SUBSCRIBE, §3.10 UNSUBSCRIBE
		{"MQTT-3.8.1-1 flags of SUBSCRIBE", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			b := subscribeOf(2, 0, "s/e")
			b[0] = 0x80
			c.send(b)
			c.ends()
		}},
		{"MQTT-3.8.3-3 SUBSCRIBE without filter", func(c raw, _ *servertest.Server, id string) { c.login(id); c.send(packet(0x82, 0, 2)); c.ends() }},
		{"MQTT-3.8.3-4 SUBSCRIBE with QoS 3", func(c raw, _ *servertest.Server, id string) { c.login(id); c.send(subscribeOf(2, 3, "s/e")); c.ends() }},
		{"SUBSCRIBE with packet ID 0", func(c raw, _ *servertest.Server, id string) { c.login(id); c.send(subscribeOf(0, 0, "s/e")); c.ends() }},
		{"SUBSCRIBE cut short", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(packet(0x82, 0, 2, 0, 3, 's', '/', 'e'))
			c.ends()
		}},
		{"SUBSCRIBE to much", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(subscribeOf(2, 1, "s/e", "s/us", "#", "s/dc/#", "+/ds", "$SYS/#", "devicecontrol/notifications", "error", "a/b"))
			c.want("900b 0002 01 80 80 01 80 80 01 01 80")
		}},
		{"the same filter again changes its QoS", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(subscribeOf(2, 2, "s/e"), subscribeOf(3, 0, "s/e"), publishOf(0x30, 0, "s/us", "999"))
			c.want("9003000202 9003000300")
			c.want("30320003" + hex.EncodeToString([]byte("s/e40,999,No static template for this message id")))
		}},
		{"MQTT-3.10.3-2 UNSUBSCRIBE without filter", func(c raw, _ *servertest.Server, id string) { c.login(id); c.send(packet(0xa2, 0, 2)); c.ends() }},
		{"MQTT-3.10.4-5 UNSUBSCRIBE of what is not subscribed", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send(packet(0xa2, join([]byte{0, 2}, text("a/b"), text("s/e"))...))
			c.want("b0020002")
		}},
		// §3.12, §3.14
		{"flags of PINGREQ", func(c raw, _ *servertest.Server, id string) { c.login(id); c.send([]byte{0xc1, 0}); c.ends() }},
		{"MQTT-3.14.1-1 flags of DISCONNECT", func(c raw, _ *servertest.Server, id string) { c.login(id); c.send([]byte{0xe1, 0}); c.ends() }},
		{"MQTT-3.14.4-2 nothing is read after DISCONNECT", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send([]byte{0xe0, 0, 0xc0, 0})
			c.ends()
		}},
		// §2.2
		{"remaining length of five bytes", func(c raw, _ *servertest.Server, id string) {
			c.login(id)
			c.send([]byte{0x30, 0xff, 0xff, 0xff, 0xff, 1})
			c.ends()
		}},
		{"packets that only servers send", func(c raw, s *servertest.Server, id string) {
			for _, first := range []byte{0x20, 0x90, 0xb0, 0xd0, 0x00, 0xf0} {
				d := dialRaw(c.T, s)
				d.login(id)
				d.send(packet(first, 0, 2))
				d.ends()
			}
		}},
	}
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true, Configure: withDoors})
		for i, tt := range tests {
			c := dialRaw(t, s)
			done := make(chan struct{})
			go func() { // a case that fails ends its own goroutine
				defer close(done)
				ran := false
				defer func() {
					if !ran {
						t.Errorf("in: %s", tt.name)
					}
				}()
				tt.run(c, s, fmt.Sprint("conform-", i))
				ran = true
			}()
			<-done
			c.Close()
		}
	})
}
