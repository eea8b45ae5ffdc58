package interop_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// agentExposure is what systemd-analyze security may give the agent's unit at
// most, in tenths of its scale; systemd/README.md states it.
const agentExposure = "14"

// TestUnits: systemd understands the units, and the agent's is sandboxed.
func TestUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("REQUIRE_HSM") == "1" {
			t.Fatal("systemd-analyze is needed: apt-get install systemd")
		}
		t.Skip("without systemd-analyze (Debian package systemd)") // on a laptop; make test installs and requires it
	}
	dir := t.TempDir()
	units, err := filepath.Glob("../systemd/*.s*")
	if err != nil || len(units) < 3 {
		t.Fatalf("units: %q, %v", units, err)
	}
	var copies []string
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		here := strings.ReplaceAll(string(text), "/usr/bin/mooring-agent", program(t, agentProgram))
		to := filepath.Join(dir, filepath.Base(unit))
		if err := os.WriteFile(to, []byte(here), 0o644); err != nil {
			t.Fatal(err)
		}
		copies = append(copies, to)
	}
	verify := exec.Command(analyze, append([]string{"verify", "--man=no"}, copies...)...)
	if out, err := verify.CombinedOutput(); err != nil || strings.Contains(string(out), "/mooring-") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	security := exec.Command(analyze, "security", "--no-pager", "--offline=yes", "--threshold="+agentExposure, filepath.Join(dir, "mooring-agent.service"))
	if out, err := security.CombinedOutput(); err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}
