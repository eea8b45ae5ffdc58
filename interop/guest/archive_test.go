package guest

import (
	"strings"
	"testing"
)

// Each entry of an archive begins and ends at a multiple of four bytes, and a
// folder stands before what is in it, once.
func TestArchive(t *testing.T) {
	for n := range 5 {
		var a archive
		a.console()
		a.text("/dir/a", make([]byte, n), 0o644)
		a.text("/dir/b", nil, 0o644)
		got := string(a.bytes())
		if len(got)%4 != 0 {
			t.Errorf("%d bytes: the archive has %d", n, len(got))
		}
		for rest, at := got, 0; ; {
			i := strings.Index(rest, "070701")
			if i < 0 {
				break
			}
			if at += i; at%4 != 0 {
				t.Errorf("%d bytes: an entry at %d", n, at)
			}
			rest, at = rest[i+6:], at+6
		}
		if strings.Count(got, "dir\x00") != 1 || strings.Index(got, "dir\x00") > strings.Index(got, "dir/a\x00") {
			t.Errorf("folders: %q", got)
		}
		if !strings.Contains(got, "TRAILER!!!\x00") {
			t.Error("no end")
		}
	}
}
