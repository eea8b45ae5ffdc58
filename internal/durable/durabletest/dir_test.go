package durabletest_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"mooring/internal/durable/durabletest"
)

// Two tests do not share one, and nothing of it is left.
func TestDir(t *testing.T) {
	var dirs []string
	t.Run("inner", func(t *testing.T) {
		dirs = []string{durabletest.Dir(t), durabletest.Dir(t)}
		for _, dir := range dirs {
			if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
				t.Error(err)
			}
		}
	})
	if dirs[0] == dirs[1] {
		t.Error("one directory for two")
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
}
