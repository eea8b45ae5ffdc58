package operation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"mooring/agent/helper"
)

const (
	// helperTries is how often a helper is asked that does not answer: systemd
	// starts it anew.
	helperTries = 3
	helperWait  = 2 * time.Second
	// maxTries is how often something is begun anew that the helper had begun
	// and not finished.
	maxTries = 3
)

// ask has the helper do something once. repeatable says that it may begin again
// after the helper was stopped in the middle of it.
func (m *Manager) ask(ctx context.Context, j *job, q helper.Request, files []*downloaded, repeatable bool) (helper.Result, error) {
	for unreached := 0; ; {
		q.Key = keyOf(j.Key, j.Try)
		r, err := m.cfg.Helper.Do(ctx, q, nil, readers(files)...)
		switch {
		case errors.Is(err, helper.ErrUnreachable) && unreached < helperTries-1:
			unreached++
			sleep(ctx, helperWait)
		case err != nil:
			return r, err
		case r.Interrupted && repeatable && j.Try < maxTries-1:
			if err := m.journal.change(j.entry, func(e *entry) { e.Try++ }); err != nil {
				return r, err
			}
		default:
			return r, nil
		}
	}
}

// look has the helper do what it may do twice. data may be nil.
func (m *Manager) look(ctx context.Context, q helper.Request, data *bytes.Buffer) (helper.Result, error) {
	for unreached := 0; ; unreached++ {
		var w io.Writer
		if data != nil {
			data.Reset()
			w = data
		}
		r, err := m.cfg.Helper.Do(ctx, q, w)
		if !errors.Is(err, helper.ErrUnreachable) || unreached == helperTries-1 {
			return r, err
		}
		sleep(ctx, helperWait)
	}
}

// keyOf is the key of a try.
func keyOf(key string, try int) string {
	if try == 0 {
		return key
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", key, try))
	return hex.EncodeToString(sum[:16])
}

func readers(files []*downloaded) []io.Reader {
	list := make([]io.Reader, len(files))
	for i, f := range files {
		list[i] = f.open()
	}
	return list
}
