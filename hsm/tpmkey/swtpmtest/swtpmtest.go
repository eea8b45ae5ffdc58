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
	Need(t, "swtpm")
	m := prepare(t)
	m.Run(t)
	return m
}

// StartEndorsed is Start of a TPM that has certificates for its endorsement keys,
// as those of a maker; makers is a PEM file with who issued them.
func StartEndorsed(t testing.TB) (m *TPM, makers string) {
	t.Helper()
	Need(t, "swtpm", "swtpm_setup", "swtpm_localca")
	m = prepare(t)
	ca := filepath.Join(m.dir, "ca")
	if err := os.Mkdir(ca, 0o700); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"setup.conf": "create_certs_tool=swtpm_localca\ncreate_certs_tool_config=" + filepath.Join(m.dir, "localca.conf") +
			"\ncreate_certs_tool_options=" + filepath.Join(m.dir, "localca.options") + "\n",
		"localca.conf": fmt.Sprintf("statedir=%s\nsigningkey=%[1]s/signkey.pem\nissuercert=%[1]s/issuercert.pem\ncertserial=%[1]s/certserial\n", ca),
		"localca.options": "--tpm-manufacturer IBM\n--tpm-model swtpm-libtpms\n--tpm-version 2\n" +
			"--platform-manufacturer Mooring\n--platform-version 1\n--platform-model test\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	setup := exec.Command("swtpm_setup", "--tpm2", "--tpmstate", m.state, "--create-ek-cert", "--config", filepath.Join(m.dir, "setup.conf"))
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("swtpm_setup: %v\n%s", err, out)
	}
	// The issuer has an issuer of its own.
	var all []byte
	for _, name := range []string{"issuercert.pem", "swtpm-localca-rootca-cert.pem"} {
		text, err := os.ReadFile(filepath.Join(ca, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	makers = filepath.Join(m.dir, "makers.pem")
	if err := os.WriteFile(makers, all, 0o600); err != nil {
		t.Fatal(err)
	}
	m.Run(t)
	return m, makers
}

// Need skips a test without a program, and fails it with REQUIRE_HSM=1 in the
// environment.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("REQUIRE_HSM") == "1" {
				t.Fatalf("%s is needed: %v", program, err)
			}
			t.Skipf("%s is not installed: %v", program, err)
		}
	}
}

// prepare makes the directories of a TPM.
func prepare(t testing.TB) *TPM {
	t.Helper()
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
