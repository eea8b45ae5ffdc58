// Package interop_test runs other people's clients against the real server
// program: openssl, curl, mosquitto and strongSwan, by the procedures of the
// vendor's guide and of the forum.
//
// Each script in testdata is one test with a server of its own; testdata/lib.sh
// says what it finds in its environment.
package interop_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	program(t, serverProgram)
	for _, script := range scripts {
		name := strings.TrimSuffix(filepath.Base(script), ".sh")
		if name == "lib" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			runScript(t, filepath.Join(testdata, name+".sh"), append(launch{}.start(t, dir).environment(dir),
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
	if err := readFolder(dir); err != nil {
		t.Fatal(err)
	}
}

func readFolder(dir string) error {
	return filepath.WalkDir(dir, func(_ string, _ fs.DirEntry, err error) error { return err })
}

// readyLine is what the server prints when every listener accepts.
type readyLine struct {
	Ready bool   `json:"ready"`
	HTTPS string `json:"https"`
	MTLS  string `json:"mtls"`
	MQTTS string `json:"mqtts"`
	Admin string `json:"admin"`
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
