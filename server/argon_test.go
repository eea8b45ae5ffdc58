package server_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"testing"

	"mooring/server/account"
	"mooring/server/servertest"
)

// TestDevicesCauseNoHash walks every path of a device, good and bad
// credentials alike, and counts the runs of argon2id: none.
func TestDevicesCauseNoHash(t *testing.T) {
	l := life{t, servertest.Start(t, servertest.Options{Easy: true})}
	l.s.Register("dev1", "otp-of-dev1")
	l.s.Register("dev2", "otp-of-dev2")
	const csv = "ID;AUTH_TYPE;CREDENTIALS\ndev3;BASIC;password-of-dev3\n"
	l.s.RegisterCSV(csv)
	d := &device{id: "dev1", key: newDeviceKey(t)}
	enrol := func(user, password string) (int, []byte) {
		return l.post("https://"+servertest.HTTPS+"/.well-known/est/simpleenroll", nil, deviceCSR(t, d.key, user), func(r *http.Request) { r.SetBasicAuth(user, password) })
	}
	basic := func(user, password, path string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+servertest.HTTPS+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(user, password)
		status, _ := l.do(req, nil)
		return status
	}
	const objects = "/inventory/managedObjects?pageSize=1"
	before := account.Hashes()
	for _, step := range []struct {
		name string
		do   func() int
		want int
	}{
		{"wrong one-time password", func() int { status, _ := enrol("dev1", "wrong"); return status }, 401},
		{"unknown device enrols", func() int { status, _ := enrol("nobody", "otp-of-nobody"); return status }, 401},
		{"enrols", func() int {
			status, body := enrol("dev1", "otp-of-dev1")
			d.leaf = l.issued(status, body)
			return status
		}, 200},
		{"spent one-time password", func() int { status, _ := enrol("dev1", "wrong-again"); return status }, 401},
		{"connects by certificate", func() int { return int(l.connects(d)) }, 0},
		{"renews by certificate", func() int { status, _ := l.renew(d); return status }, 200},
		{"uses its token", func() int { return l.bearer(l.token(d)) }, 200},
		{"uses a forged token", func() int { return l.bearer("e30.e30.e30") }, 401},
		{"connects by password", func() int { return int(l.connectsBy("dev3", servertest.Tenant+"/device_dev3", "password-of-dev3")) }, 0},
		{"connects by a wrong password", func() int { return int(l.connectsBy("dev3", servertest.Tenant+"/device_dev3", "wrong")) }, 4},
		{"unknown device connects by password", func() int { return int(l.connectsBy("dev9", servertest.Tenant+"/device_dev9", "wrong")) }, 4},
		{"certificate device by password", func() int { return int(l.connectsBy("dev1", servertest.Tenant+"/device_dev1", "wrong")) }, 4},
		{"REST by password", func() int { return basic(servertest.Tenant+"/device_dev3", "password-of-dev3", objects) }, 200},
		{"REST by a wrong password", func() int { return basic(servertest.Tenant+"/device_dev3", "wrong", objects) }, 401},
		{"REST of an unknown device", func() int { return basic(servertest.Tenant+"/device_dev9", "wrong", objects) }, 401},
		{"bootstrap user, wrong password", func() int { return basic("management/devicebootstrap", "wrong", objects) }, 401},
	} {
		if got := step.do(); got != step.want {
			t.Errorf("%s: %d, want %d", step.name, got, step.want)
		}
		if n := account.Hashes() - before; n != 0 {
			t.Errorf("%s: argon2id ran %d times", step.name, n)
			before = account.Hashes()
		}
	}
	if basic(servertest.Tenant+"/nobody", "wrong", objects); account.Hashes() == before {
		t.Error("a person's password does not count")
	}
}

// connectsBy connects with user and password and returns the code of the CONNACK.
func (l life) connectsBy(id, user, password string) byte {
	l.Helper()
	conn, err := l.s.Network.DialContext(l.Context(), "tcp", servertest.MQTTS)
	if err != nil {
		l.Fatal(err)
	}
	c := tls.Client(conn, l.s.TLSConfig())
	defer c.Close()
	hello := []byte("\x00\x04MQTT\x04\xc2\x0e\x10")
	for _, field := range []string{id, user, password} {
		hello = append(append(hello, 0, byte(len(field))), field...)
	}
	if _, err := c.Write(append([]byte{0x10, byte(len(hello))}, hello...)); err != nil {
		l.Fatal(err)
	}
	var ack [4]byte
	if _, err := io.ReadFull(c, ack[:]); err != nil {
		l.Fatal(err)
	}
	return ack[3]
}
