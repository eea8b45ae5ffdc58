package helper_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mooring/agent/config"
	"mooring/agent/helper"
)

// systemd takes the units, and they name what the program uses.
func TestUnits(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"mooring-helper.socket", "mooring-helper.service"} {
		text := read(t, "../../systemd/"+name)
		for _, want := range map[string][]string{
			"mooring-helper.socket":  {"ListenStream=" + config.DefaultHelper + "\n", "SocketMode=0600\n"},
			"mooring-helper.service": {"StateDirectory=" + filepath.Base(helper.DefaultDir) + "\n", " operation-helper\n"},
		}[name] {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
		path := filepath.Join(dir, name)
		write(t, path, strings.ReplaceAll(text, "/usr/bin/mooring-agent", "/bin/true"), 0o644)
		paths = append(paths, path)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("REQUIRE_HSM") == "1" {
			t.Fatal("systemd-analyze is missing: apt-get install systemd")
		}
		t.Skip("systemd-analyze, of Debian's systemd, is not here")
	}
	output, err := exec.CommandContext(t.Context(), analyze, append([]string{"verify", "--man=no"}, paths...)...).CombinedOutput()
	if err != nil || strings.Contains(string(output), "mooring-helper") {
		t.Errorf("verify: %v\n%s", err, output)
	}
}
