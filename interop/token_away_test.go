package interop_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mooring/hsm/pkcs11key/p11test"
)

// TestServerWithoutTheTokenOfItsAuthorities: what needs no key of an authority is
// served, what does is put off, and it comes back with the token.
func TestServerWithoutTheTokenOfItsAuthorities(t *testing.T) {
	hsm := p11test.Start(t)
	hsm.AddToken(t, "server")
	l, dir := launch{config: "[keys]\nauthority = \"" + hsm.URI("server", "") + "\"\n"}, t.TempDir()
	s := l.start(t, dir)
	s.authority(t)
	old := enrolledDevice(t, s, "old-device")
	s.kill()
	hsm.Pull(t)
	l.again = s
	s = l.start(t, dir)
	old.server = s
	old.pub(t, 1).want(t, exitDone)
	old.run(t, "renew", "--timeout", "3s").want(t, exitLater)
	fresh := newDevice(t, s, "new-device")
	fresh.run(t, append(fresh.enrol(), "--timeout", "3s")...).want(t, exitLater)
	if log := s.log.String(); !strings.Contains(log, "no token is there") {
		t.Errorf("the log does not tell that the token is away:\n%s", log)
	}
	hsm.Plug(t)
	fresh.run(t, fresh.enrol()...).want(t, exitDone)
	old.run(t, "renew").want(t, exitDone)
	fresh.pub(t, 1).want(t, exitDone)
	old.pub(t, 2).want(t, exitDone)
}

// TestServerWithoutItsKeyEncryptionKey does not start, and says why.
func TestServerWithoutItsKeyEncryptionKey(t *testing.T) {
	hsm := p11test.Start(t)
	s, _, dir := tokenServer(t, hsm)
	s.end()
	hsm.Pull(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	config := filepath.Join(t.TempDir(), "server.toml")
	writeFile(t, config, "[keys]\nencryption = \""+hsm.URI("server", "")+"\"\n")
	out, err := exec.CommandContext(ctx, program(t, serverProgram), "serve", "--data", dir, "--dev", "--config", config, "--https", "127.0.0.1:0", "--mtls", "127.0.0.1:0",
		"--mqtts", "127.0.0.1:0", "--admin", "127.0.0.1:0").CombinedOutput()
	if err == nil || ctx.Err() != nil || !strings.Contains(string(out), "key-encryption key") || !strings.Contains(string(out), "no token is there") {
		t.Errorf("%v: %s", err, out)
	}
}
