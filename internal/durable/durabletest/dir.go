package durabletest

import (
	"os"
	"testing"
)

// Dir is a directory of the test's own, as tb.TempDir is, but in memory where
// the system offers that: a store that syncs each commit then waits for no disk,
// which takes most of the time of tests that many commits run through. What must
// be on a disk, or is executed, belongs into tb.TempDir.
func Dir(tb testing.TB) string {
	tb.Helper()
	parent := inMemory()
	if parent == "" {
		return tb.TempDir()
	}
	dir, err := os.MkdirTemp(parent, "mooring-test-")
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return dir
}
