package helper_test

import (
	"path/filepath"
	"strings"
	"testing"

	"mooring/agent/config"
	"mooring/agent/helper"
)

// The units name what the program uses. That systemd understands them is tested
// in interop.
func TestUnits(t *testing.T) {
	for name, says := range map[string][]string{
		"mooring-helper.socket":  {"ListenStream=" + config.DefaultHelper + "\n", "SocketMode=0600\n"},
		"mooring-helper.service": {"StateDirectory=" + filepath.Base(helper.DefaultDir) + "\n", " operation-helper\n"},
	} {
		text := read(t, "../../systemd/"+name)
		for _, want := range says {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
	}
}
