// Package daemontest starts real programs that listen, for tests.
package daemontest

import (
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// starting bounds how long a program may take until it listens.
const starting = 10 * time.Second

// Start runs a program that listens on addr until the test ends, and returns once
// it does. The test is skipped where the program is not installed, and fails
// instead if REQUIRE_HSM=1 says that everything has to be there.
func Start(t *testing.T, addr, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("REQUIRE_HSM") == "1" {
		t.Fatalf("%s is needed: %v", name, err)
	}
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.Command(path, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()         // killed
	})
	for end := time.Now().Add(starting); ; {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close() // nothing was written
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen: %v", name, err)
		}
	}
}
