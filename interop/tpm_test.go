package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm/tpmkey/swtpmtest"
)

// TestTPM is the life of a device whose key is in a TPM, beside a server whose
// key-encryption key is in another. Both TPMs are reset meanwhile.
func TestTPM(t *testing.T) {
	t.Parallel()
	ofServer, ofDevice := swtpmtest.Start(t), swtpmtest.Start(t)
	sealed := launch{config: fmt.Sprintf("[keys]\nencryption = %q\n", "tpm:"+ofServer.Socket)}
	data := t.TempDir()
	s := sealed.start(t, data)
	s.authority(t)

	d := newDevice(t, s, "tpm-1")
	d.run(t, append(d.enrol(), "--key", "tpm:"+ofDevice.Socket)...).want(t, exitDone)
	d.wantKeys(t, "current")
	d.wantInUse(t)

	run := d.background(t)
	d.pub(t, 1).want(t, exitDone)
	ofDevice.Reset(t)
	d.run(t, "renew").want(t, exitDone)
	d.wantKeys(t, "current")
	d.pub(t, 2).want(t, exitDone)

	// The server starts anew on a TPM that was reset, the device's is away.
	ofDevice.Stop(t)
	s.end()
	ofServer.Reset(t)
	sealed.again = s
	d.server = sealed.start(t, data)
	if o := d.run(t, "keystore", "selftest"); o.status != exitFailed || !strings.Contains(o.stderr, "there is no TPM at") {
		t.Errorf("self-test without TPM: %s", o)
	}
	ofDevice.Run(t)
	d.pub(t, 3).want(t, exitDone)
	d.run(t, "renew").want(t, exitDone) // the authority's key is unsealed
	d.pub(t, 4).want(t, exitDone)
	run()

	if values := d.server.values(t, d.id, "c8y_Kill"); len(values) != 4 {
		t.Errorf("the server has %v", values)
	}
	d.wantForeign(t)
}

// background runs the agent until the function it returns is called, or the test
// ends.
func (d *device) background(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := d.command(ctx, t, "run")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var stderr logBuffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		_ = cmd.Wait() // by the signal
		if t.Failed() {
			t.Logf("log of the agent:\n%s", &stderr)
		}
	}
	t.Cleanup(stop)
	eventually(t, "the agent connects", func() bool { return strings.Contains(d.run(t, "status", "--json").stdout, `"connected":true`) })
	return stop
}

// wantKeys: the key store holds the keys of these uses and no others, and no
// private key lies in the open.
func (d *device) wantKeys(t testing.TB, uses ...string) {
	t.Helper()
	o := d.run(t, "keystore", "list")
	o.want(t, exitDone)
	var got []string
	for line := range strings.Lines(o.stdout) {
		fields := strings.Fields(line)
		got = append(got, fields[len(fields)-1])
	}
	if fmt.Sprint(got) != fmt.Sprint(uses) {
		t.Errorf("keys in use are %v, want %v: %s", got, uses, o)
	}
	files, err := filepath.Glob(filepath.Join(d.state, "keys", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".tss2") && !strings.HasPrefix(readFile(t, file), "-----BEGIN TSS2 PRIVATE KEY-----") ||
			strings.Contains(readFile(t, file), "BEGIN PRIVATE KEY") {
			t.Errorf("%s holds something else than a key of the TPM", file)
		}
	}
}

// wantInUse: the key of the identity is not destroyed by mistake.
func (d *device) wantInUse(t testing.TB) {
	t.Helper()
	name := strings.Fields(d.run(t, "keystore", "list").stdout)[0]
	o := d.run(t, "keystore", "destroy", name)
	if o.status != exitFailed || !strings.Contains(o.stderr, "the key of the device's current certificate") {
		t.Errorf("a key in use was not protected: %s", o)
	}
}

// wantForeign: with another TPM a server does not start, and a device says what
// to do.
func (d *device) wantForeign(t testing.TB) {
	t.Helper()
	d.server.end()
	other := swtpmtest.Start(t)
	config := filepath.Join(t.TempDir(), "server.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "[keys]\nencryption = %q\n", "tpm:"+other.Socket), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), agentLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t, serverProgram), "serve", "--data", d.server.dir, "--dev", "--config", config, "--https", "127.0.0.1:0",
		"--mtls", "127.0.0.1:0", "--mqtts", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if ctx.Err() != nil || err == nil || !strings.Contains(stderr.String(), "sealed") {
		t.Errorf("server with another TPM: %v\n%s", err, &stderr)
	}
	o := d.run(t, "keystore", "selftest", "--key", "tpm:"+other.Socket)
	if o.status != exitFailed || !strings.Contains(o.stderr, "made by another TPM") || !strings.Contains(o.stderr, "hint: the private key cannot be had any more") {
		t.Errorf("device with another TPM: %s", o)
	}
}
