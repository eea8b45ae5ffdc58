// Package interop_test runs other people's clients against the real server
// program: openssl, curl, mosquitto and strongSwan, by the procedures of the
// vendor's guide and of the forum.
//
// Each script in testdata is one test with a server of its own; testdata/lib.sh
// says what it finds in its environment.
package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startLimit  = 30 * time.Second // from the start of the server to its ready line
	stopLimit   = 20 * time.Second // from SIGTERM to its end
	scriptLimit = 3 * time.Minute
)

// programs are what the scripts call; tools/test-packages.sh installs them.
var programs = []string{
	"bash", "curl", "jq", "mosquitto_pub", "mosquitto_rr", "mosquitto_sub", "openssl", "pki", "timeout",
}

func TestScripts(t *testing.T) {
	requirePrograms(t)
	scripts, err := filepath.Glob("testdata/*.sh")
	if err != nil {
		t.Fatal(err)
	}
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	watch(t, testdata)
	binary := buildServer(t)
	for _, script := range scripts {
		name := strings.TrimSuffix(filepath.Base(script), ".sh")
		if name == "lib" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runScript(t, filepath.Join(testdata, name+".sh"), append(startServer(t, binary),
				"LIB="+filepath.Join(testdata, "lib.sh"),
				"GUIDE="+filepath.Join(testdata, "guide")))
		})
	}
}

// requirePrograms skips the test where a program is missing, and fails it
// where everything must be there.
func requirePrograms(t *testing.T) {
	t.Helper()
	var missing []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	switch {
	case len(missing) == 0:
	case os.Getenv("REQUIRE_HSM") == "1":
		t.Fatalf("not installed: %v (tools/test-packages.sh installs them)", missing)
	default:
		t.Skipf("not installed: %v (tools/test-packages.sh installs them)", missing)
	}
}

// watch makes the test cache depend on what is in dir, which only other
// processes read.
func watch(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, _ fs.DirEntry, err error) error { return err })
	if err != nil {
		t.Fatal(err)
	}
}

// buildServer builds the real server program.
func buildServer(t *testing.T) string {
	t.Helper()
	const command = "mooring/server/cmd/mooring-server"
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}", command).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for dir := range strings.Lines(string(out)) {
		if dir = strings.TrimSpace(dir); dir != "" {
			watch(t, dir)
		}
	}
	binary := filepath.Join(t.TempDir(), "mooring-server")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, command)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// startServer runs a fresh server until the test ends and returns the
// environment that leads a script to it.
func startServer(t *testing.T, binary string) []string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"serve", "--data", dir, "--dev"}
	for _, listener := range []string{"https", "mtls", "mqtts", "admin"} {
		args = append(args, "--"+listener, "127.0.0.1:0")
	}
	cmd := exec.Command(binary, args...)
	log := &bytes.Buffer{}
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan readyLine, 1)
	go func() {
		var line readyLine
		text, err := bufio.NewReader(stdout).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(text, &line)
		}
		line.err = err
		ready <- line
	}()
	t.Cleanup(func() { stopServer(t, cmd, log) })
	select {
	case line := <-ready:
		if line.err != nil || !line.Ready {
			t.Fatalf("ready line: %+v", line)
		}
		return line.environment(dir)
	case <-time.After(startLimit):
		t.Fatalf("no ready line within %s", startLimit)
		return nil
	}
}

// readyLine is what the server prints when every listener accepts.
type readyLine struct {
	Ready bool   `json:"ready"`
	HTTPS string `json:"https"`
	MTLS  string `json:"mtls"`
	MQTTS string `json:"mqtts"`
	err   error
}

// environment names the server with data in dir to a script. Names instead of
// addresses, as clients in the field use.
func (l readyLine) environment(dir string) []string {
	local := func(addr string) string { return strings.Replace(addr, "127.0.0.1:", "localhost:", 1) }
	return []string{
		"MOORING_HTTPS=" + local(l.HTTPS),
		"MOORING_MTLS=" + local(l.MTLS),
		"MOORING_MQTTS=" + local(l.MQTTS),
		"MOORING_ROOT=" + filepath.Join(dir, "tls", "root.pem"),
		"MOORING_TENANT=t1000",
		"MOORING_USER=admin",
		"MOORING_PASSWORD_FILE=" + filepath.Join(dir, "admin.password"),
	}
}

// stopServer asks the server to end, which it must do in time and with status 0.
func stopServer(t *testing.T, cmd *exec.Cmd, log *bytes.Buffer) {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var err error
	if signalErr := cmd.Process.Signal(syscall.SIGTERM); signalErr != nil && !errors.Is(signalErr, os.ErrProcessDone) {
		t.Error(signalErr)
	}
	select {
	case err = <-ended:
	case <-time.After(stopLimit):
		t.Errorf("the server did not stop within %s of SIGTERM", stopLimit)
		if killErr := cmd.Process.Kill(); killErr != nil {
			t.Error(killErr)
		}
		err = <-ended
	}
	if err != nil {
		t.Errorf("server: %v", err)
	}
	if t.Failed() {
		t.Logf("log of the server:\n%s", log)
	}
}

// runScript runs one script in an empty folder.
func runScript(t *testing.T, script string, environment []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), scriptLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(environment, "PATH="+os.Getenv("PATH"), "HOME="+cmd.Dir, "LC_ALL=C", "TZ=UTC")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	} else if testing.Verbose() {
		t.Logf("%s", out)
	}
}
