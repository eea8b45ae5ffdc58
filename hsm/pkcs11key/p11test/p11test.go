// Package p11test gives tests a PKCS#11 token in software: Debian's SoftHSM with
// its objects in a directory of the test, and a helper built from this source.
package p11test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The PINs of the tokens.
const (
	PIN   = "1234"
	SOPIN = "567890"
)

const softHSM = "/usr/lib/softhsm/libsofthsm2.so"

// SoftHSM is a module with tokens.
type SoftHSM struct {
	Module  string
	Helper  string
	PINFile string
	dir     string
}

// Start makes a SoftHSM without tokens, which is gone after the test. Without
// Debian's softhsm2 or a C compiler the test is skipped, and with REQUIRE_HSM=1
// in the environment it fails. It sets environment variables, so the test
// cannot be parallel.
func Start(t testing.TB) *SoftHSM {
	t.Helper()
	need(t, softHSM)
	need(t, "softhsm2-util")
	dir := t.TempDir()
	h := &SoftHSM{Module: softHSM, Helper: Helper(t), PINFile: filepath.Join(dir, "pin"), dir: filepath.Join(dir, "tokens")}
	if err := os.Mkdir(h.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h.SetPIN(t, PIN)
	conf := filepath.Join(dir, "softhsm2.conf")
	write(t, conf, "directories.tokendir = "+h.dir+"\nobjectstore.backend = file\nslots.removable = true\nlog.level = ERROR\n")
	t.Setenv("SOFTHSM2_CONF", conf)
	return h
}

// AddToken makes a token.
func (h *SoftHSM) AddToken(t testing.TB, label string) {
	t.Helper()
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SOPIN).CombinedOutput()
	if err != nil {
		t.Fatalf("softhsm2-util: %v: %s", err, out)
	}
}

// SetPIN changes the PIN file, not the token.
func (h *SoftHSM) SetPIN(t testing.TB, pin string) {
	t.Helper()
	write(t, h.PINFile, pin+"\n")
}

// URI names a token; more is what follows the path, as in ";object=x".
func (h *SoftHSM) URI(label, more string) string {
	return fmt.Sprintf("pkcs11:token=%s%s?module-path=%s&pin-source=file:%s&x-mooring-helper=%s", label, more, h.Module, h.PINFile, h.Helper)
}

// Pull removes all tokens; Plug puts them back.
func (h *SoftHSM) Pull(t testing.TB) { h.move(t, h.dir, h.dir+".pulled") }

// Plug undoes Pull.
func (h *SoftHSM) Plug(t testing.TB) {
	if err := os.Remove(h.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.dir+".pulled", h.dir); err != nil {
		t.Fatal(err)
	}
}

// Keep copies all tokens; restore brings them back as they are now, wherever they
// went meanwhile.
func (h *SoftHSM) Keep(t testing.TB) (restore func()) {
	t.Helper()
	kept := t.TempDir()
	if err := os.CopyFS(kept, os.DirFS(h.dir)); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		for _, dir := range []string{h.dir, h.dir + ".pulled"} {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.CopyFS(h.dir, os.DirFS(kept)); err != nil {
			t.Fatal(err)
		}
	}
}

func (h *SoftHSM) move(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(from, 0o700); err != nil {
		t.Fatal(err)
	}
}

// Objects lists what a token holds, as OpenSC's pkcs11-tool sees it: one line an
// object, such as "Private Key Object; EC".
func (h *SoftHSM) Objects(t testing.TB, label string) []string {
	t.Helper()
	return h.list(t, label, "Object;")
}

func (h *SoftHSM) list(t testing.TB, label, part string) (lines []string) {
	t.Helper()
	for line := range strings.SplitSeq(h.Tool(t, label, "--list-objects"), "\n") {
		if strings.Contains(line, part) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// Tool runs pkcs11-tool, logged in.
func (h *SoftHSM) Tool(t testing.TB, label string, args ...string) string {
	t.Helper()
	need(t, "pkcs11-tool")
	out, err := exec.Command("pkcs11-tool", append([]string{"--module", softHSM, "--token-label", label, "--login", "--pin", PIN}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("pkcs11-tool %v: %v: %s", args, err, out)
	}
	return string(out)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// need skips without a program or file.
func need(t testing.TB, what string) {
	t.Helper()
	var err error
	if filepath.IsAbs(what) {
		_, err = os.Stat(what)
	} else {
		_, err = exec.LookPath(what)
	}
	if err == nil {
		return
	}
	if os.Getenv("REQUIRE_HSM") == "1" {
		t.Fatalf("%s is needed: %v", what, err)
	}
	t.Skipf("%s is not installed: %v", what, err)
}

// built is the helper of this test process; TestMain's RemoveHelper removes it.
var built struct {
	sync.Mutex
	dir string
}

// Helper builds mooring-pkcs11 once for a test process.
func Helper(t testing.TB) string {
	t.Helper()
	need(t, "gcc")
	built.Lock()
	defer built.Unlock()
	if built.dir != "" {
		return filepath.Join(built.dir, "mooring-pkcs11")
	}
	dir, err := os.MkdirTemp("", "p11test")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "mooring-pkcs11")
	build := exec.Command("go", "build", "-o", path, "mooring/hsm/cmd/mooring-pkcs11")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		t.Fatalf("build mooring-pkcs11: %v: %s", err, out)
	}
	built.dir = dir
	return path
}

// Main runs the tests of a package that uses Helper, and removes what it built.
func Main(m *testing.M) int {
	code := m.Run()
	built.Lock()
	defer built.Unlock()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	return code
}
