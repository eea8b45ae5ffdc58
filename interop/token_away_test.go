package interop_test

import (
	"context"
	"io"
	"net/http"
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

// TestServerTellsOfItsTokens: /readyz and the metrics tell that a token is away
// and since when; the server lives, is ready, and serves what needs no key of it.
func TestServerTellsOfItsTokens(t *testing.T) {
	hsm := p11test.Start(t)
	s, _, _ := tokenServer(t, hsm)
	d := enrolledDevice(t, s, "watcher")
	if got := s.adminPage(t, "/readyz"); got != "ready\n" {
		t.Errorf("with its token: %q", got)
	}
	if got := s.adminPage(t, "/metrics"); !strings.Contains(got, `mooring_key_store_up{use="keys.encryption"} 1`) || !strings.Contains(got, `mooring_key_store_up{use="keys.authority"} 1`) {
		t.Error("the metrics do not tell that the token is there")
	}
	hsm.Pull(t)
	began := time.Now().UTC().Truncate(time.Second)
	d.run(t, "renew", "--timeout", "3s").want(t, exitLater)
	var page string
	eventually(t, "the server tells that the token is away", func() bool {
		page = s.adminPage(t, "/readyz")
		return strings.Contains(page, "keys.authority is away since") && strings.Contains(page, "keys.encryption is away since")
	})
	if !strings.HasPrefix(page, "ready\n") || !strings.Contains(page, "no token is there") {
		t.Errorf("readyz: %s", page)
	}
	since, err := time.Parse(time.RFC3339, strings.TrimSuffix(strings.Fields(page[strings.Index(page, "since ")+len("since "):])[0], ":"))
	if err != nil || since.Before(began) || since.After(time.Now()) {
		t.Errorf("since %v, %v; the token was pulled at %v", since, err, began)
	}
	if got := s.adminPage(t, "/metrics"); !strings.Contains(got, `mooring_key_store_up{use="keys.authority"} 0`) || !strings.Contains(got, `mooring_key_store_away_since_seconds{use="keys.authority"} 1.`) {
		t.Error("the metrics do not tell that the token is away")
	}
	if got := s.adminPage(t, "/healthz"); got != "ok\n" {
		t.Errorf("healthz: %q", got)
	}
	d.pub(t, 1).want(t, exitDone)
	hsm.Plug(t)
	eventually(t, "the server tells that the token is back", func() bool { return s.adminPage(t, "/readyz") == "ready\n" })
	d.run(t, "renew").want(t, exitDone)
}

// adminPage reads a page of the admin listener, which must be there.
func (s *instance) adminPage(t testing.TB, path string) string {
	t.Helper()
	response, err := s.client.Get("http://" + s.Admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, response.Status, err)
	}
	return string(text)
}
