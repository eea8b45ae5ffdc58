package interop_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"testing"
)

// dialWithWill connects an administrator as a device that has a will.
func dialWithWill(t *testing.T, s *instance, id, will string) *mqttClient {
	t.Helper()
	root, err := os.ReadFile(s.rootFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	conn, err := tls.Dial("tcp", s.MQTTS, &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	c := &mqttClient{conn, bufio.NewReader(conn)}
	t.Cleanup(c.close)
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xc6, 0, keepAliveSeconds}, mqttString(id)...) // user, password, will, clean
	for _, text := range []string{"s/us", will, "t1000/admin", s.pass} {
		body = append(body, mqttString(text)...)
	}
	if err := c.send(packetConnect, body); err != nil {
		t.Fatal(err)
	}
	if first, answer, err := c.read(); err != nil || first != packetConnack || answer[1] != 0 {
		t.Fatalf("CONNECT got %#x % x, %v", first, answer, err)
	}
	return c
}

// TestWillsOfAKilledServer: a server that is killed breaks its connections, so that
// their wills are owed; they are carried out at the next start, each once, and not
// those of clients that had said goodbye (MQTT-3.1.2-8, -10).
func TestWillsOfAKilledServer(t *testing.T) {
	const devices, leave = 12, 4
	dir := t.TempDir()
	s := launch{}.start(t, dir)
	for i := range devices {
		c := dialWithWill(t, s, fmt.Sprint("will-", i), "400,c8y_Gone,bye")
		if i < leave {
			if err := c.send(0xe0, nil); err != nil {
				t.Fatal(err)
			}
			if _, _, err := c.read(); err == nil {
				t.Fatal("the server says something after DISCONNECT")
			}
		}
	}
	gone := func() (n int) {
		var list struct{ Events []struct{ Type, Text string } }
		s.get(t, "/event/events?type=c8y_Gone&pageSize=2000", &list)
		return len(list.Events)
	}
	if n := gone(); n != 0 {
		t.Fatalf("%d wills while their clients live", n)
	}
	for range 2 { // the second kill owes nothing
		s.kill()
		s = launch{again: s}.start(t, dir)
		if n := gone(); n != devices-leave {
			t.Fatalf("%d wills after a kill, want %d", n, devices-leave)
		}
	}
}
