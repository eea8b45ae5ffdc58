// Package swtpmtest starts a TPM in software for a test: Debian's swtpm, on a UNIX
// socket, with its state in a directory of the test.
package swtpmtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
)

// startLimit bounds the wait for the first answer, which takes 40 ms here.
const startLimit = 20 * time.Second

// TPM is one that runs.
type TPM struct {
	Socket string // where it takes commands
	state  string
	dir    string
	cmd    *exec.Cmd
}

// Start starts a new TPM, which ends with the test. Without swtpm the test is
// skipped, and with REQUIRE_HSM=1 in the environment it fails.
func Start(t testing.TB) *TPM {
	t.Helper()
	if _, err := exec.LookPath("swtpm"); err != nil {
		if os.Getenv("REQUIRE_HSM") == "1" {
			t.Fatalf("swtpm is needed: %v", err)
		}
		t.Skipf("swtpm is not installed: %v", err)
	}
	// Socket paths have at most 107 bytes, and the names of tests are long.
	dir, err := os.MkdirTemp("", "swtpm")
	if err != nil {
		t.Fatal(err)
	}
	m := &TPM{Socket: filepath.Join(dir, "tpm"), state: filepath.Join(dir, "state"), dir: dir}
	if err := os.Mkdir(m.state, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Stop(t)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	m.Run(t)
	return m
}

// Run starts the TPM again after Stop, with the state it had.
func (m *TPM) Run(t testing.TB) {
	t.Helper()
	m.cmd = exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+m.state, "--server", "type=unixio,path="+m.Socket,
		"--ctrl", "type=unixio,path="+m.Socket+".ctrl", "--flags", "not-need-init,startup-clear")
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The socket is there before it answers: ask until it does.
	deadline := time.Now().Add(startLimit)
	for {
		err := m.ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("swtpm does not answer: %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (m *TPM) ask() error {
	tpm, err := linuxudstpm.Open(m.Socket)
	if err != nil {
		return err
	}
	if _, err := (tpm2.GetRandom{BytesRequested: 8}).Execute(tpm); err != nil {
		return fmt.Errorf("get random: %w", err)
	}
	return tpm.Close()
}

// Stop ends the TPM as a power cut does. It does nothing if it does not run.
func (m *TPM) Stop(t testing.TB) {
	t.Helper()
	if m.cmd == nil {
		return
	}
	if err := m.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = m.cmd.Wait() // it was killed
	m.cmd = nil
	for _, path := range []string{m.Socket, m.Socket + ".ctrl"} {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
	}
}

// Reset stops the TPM and starts it again: what was loaded is gone.
func (m *TPM) Reset(t testing.TB) {
	t.Helper()
	m.Stop(t)
	m.Run(t)
}
