package helper_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"mooring/agent/config"
	"mooring/agent/helper"
)

// What is no request gets an answer or none, and the next caller is served.
func TestBadRequests(t *testing.T) {
	r := commandRig(t)
	frame := func(kind byte, payload string) string {
		return string([]byte{kind, byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload))}) + payload
	}
	for name, text := range map[string]string{
		"HTTP":              "GET / HTTP/1.1\r\n\r\n",
		"nothing":           "",
		"half a header":     "Q\x00",
		"too long":          "Q\x01\x00\x01",
		"no JSON":           frame('Q', "{"),
		"data first":        frame('D', "x"),
		"unknown kind":      frame('X', "x"),
		"other type":        frame('Q', `{"verb":1}`),
		"files out of turn": frame('Q', `{"verb":"restart"}`) + frame('D', strings.Repeat("x", 64<<10)),
		"no end":            frame('Q', `{"verb":"write-config","name":"x","key":"`+strings.Repeat("a", 32)+`"}`) + frame('D', "x"),
		"request in file":   frame('Q', `{"verb":"write-config","name":"x","key":"`+strings.Repeat("b", 32)+`"}`) + frame('Q', "{}"),
	} {
		c, err := net.Dial("unix", r.client.Socket)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.(*net.UnixConn).CloseWrite(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		answer, _ := io.ReadAll(c) // a connection that is reset has no answer
		if bytes.ContainsAny(answer, "\x00") && !bytes.ContainsAny(answer[:1], "RG") {
			t.Errorf("%s: got %q", name, answer)
		}
		_ = c.Close() // read to its end
	}
	if got := r.command(newKey(), "count"); got.Error != "" {
		t.Errorf("afterwards: %+v", got)
	}
}

// Other users get nothing, even if the mode of the socket lets them in.
func TestOtherUser(t *testing.T) {
	r := newRig(t, func(*config.Operations, string) {})
	if os.Getuid() != 0 {
		r.stop()
		r.o.UID = os.Getuid() + 1
		r.start()
		result, _ := r.do(helper.Request{Verb: helper.ListSoftware})
		want(t, "other user", result, "may not ask")
		return
	}
	for _, path := range []string{filepath.Dir(r.dir), r.dir, r.client.Socket} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	const nobody = 65534
	r.client.Dial = func(context.Context) (net.Conn, error) {
		type dialled struct {
			net.Conn
			error
		}
		out := make(chan dialled)
		go func() {
			runtime.LockOSThread() // never unlocked: the thread, which is somebody else now, ends here
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
				out <- dialled{nil, errno}
				return
			}
			c, err := net.Dial("unix", r.client.Socket)
			out <- dialled{c, err}
		}()
		d := <-out
		return d.Conn, d.error
	}
	result, _ := r.do(helper.Request{Verb: helper.ListSoftware})
	want(t, "other user", result, "may not ask")
	r.stop()
	r.o.UID = nobody
	r.start()
	if err := os.Chmod(r.client.Socket, 0o777); err != nil {
		t.Fatal(err)
	}
	result, _ = r.do(helper.Request{Verb: helper.ListSoftware})
	want(t, "the agent's user", result, "")
}

// A configuration that others can write allows nothing.
func TestLoadOperations(t *testing.T) {
	path := t.TempDir() + "/agent.toml"
	write(t, path, "[operations]\nrestart = true\n", 0o644)
	if o, err := helper.LoadOperations(path); err != nil || !o.Restart {
		t.Errorf("got %+v, %v", o, err)
	}
	for _, mode := range []os.FileMode{0o664, 0o646} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := helper.LoadOperations(path); err == nil {
			t.Errorf("mode %v: accepted", mode)
		}
	}
	write(t, path, "[operations]\nrestat = true\n", 0o644)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := helper.LoadOperations(path); err == nil || !strings.Contains(err.Error(), "restat") {
		t.Errorf("unknown key: got %v", err)
	}
	if _, err := helper.LoadOperations(t.TempDir()); err == nil {
		t.Error("a directory was taken")
	}
}
