package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/config"
)

// A door that does not open is logged once, and again when the reason changes.
func TestClosedDoorIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := New(Options{Config: config.Default(), Log: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		a.keepOpen(ctx, filepath.Join(t.TempDir(), "absent", "socket"), nil, nil, errors.New("another reason"))
		for _, why := range []string{"another reason", "no such file"} {
			if n := strings.Count(log.String(), why); n != 1 {
				t.Errorf("%q was logged %d times in an hour:\n%s", why, n, log.String())
			}
		}
	})
}
