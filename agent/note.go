package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"mooring/agent/identity"
	"mooring/internal/bounded"
	"mooring/internal/durable"
)

// What went wrong last is kept in the state directory, for status after the agent
// has ended. Flash wears, so the file changes with the reason, at most noteBurst
// times in a row and once in noteEvery after that; its detail and time alone change
// once in noteSame, and when the agent ends.
const (
	noteFile  = "last-error"
	noteEvery = time.Hour
	noteSame  = 24 * time.Hour
	noteBurst = 4
	// maxNoteDetail bounds what is kept of a detail, maxNote the file, both in bytes.
	maxNoteDetail = 1 << 10
	maxNote       = 8 << 10
)

// noteOf is the last error as it is shown and kept.
func noteOf(e *LastError) *LastError {
	if e == nil {
		return nil
	}
	n := *e
	n.Hint, n.Detail = e.advice(), bounded.Text(e.Detail, maxNoteDetail)
	return &n
}

func (a *Agent) notePath() string { return filepath.Join(a.cfg.State, noteFile) }

// readNote returns what an earlier agent has noted; nil if nothing went wrong or
// nobody knows.
func (a *Agent) readNote() *LastError {
	info, err := a.o.FS.Lstat(a.notePath())
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxNote {
		return nil
	}
	text, err := a.o.FS.ReadFile(a.notePath())
	var e LastError
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err != nil || e.Reason == "" {
		return nil
	}
	return &e
}

// writeNote puts e on the disk, or takes away what is there. A disk that is full
// or broken is no reason to stop.
func (a *Agent) writeNote(e *LastError) {
	var err error
	if e == nil {
		err = durable.Remove(a.o.FS, a.notePath())
	} else {
		var text []byte
		if text, err = json.Marshal(e); err == nil {
			err = durable.WriteFile(a.o.FS, a.notePath(), append(text, '\n'), 0o600)
		}
	}
	if err != nil {
		a.log.Debug("the last error is not noted", "err", err)
	}
}

// keepNotes keeps the last error on the disk until ctx ends. Then it is written
// once more, if it is another one.
func (a *Agent) keepNotes(ctx context.Context) {
	noted := a.readNote()
	var paid time.Time // when what was written so far is made up for, at one in noteEvery
	for {
		v, changed := a.look()
		now := noteOf(v.lastError)
		ended := ctx.Err() != nil
		debt := max(0, time.Until(paid))
		var again <-chan time.Time
		if (now != nil || v.wentWell) && differs(noted, now, ended) {
			if wait := debt - (noteBurst-1)*noteEvery; wait > 0 && !ended {
				again = time.After(wait)
			} else {
				a.writeNote(now)
				noted, paid = now, time.Now().Add(debt+noteEvery)
			}
		}
		if ended {
			return
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
		}
	}
}

// differs reports whether now is worth a write over what is noted.
func differs(noted, now *LastError, ended bool) bool {
	if noted == nil || now == nil {
		return noted != now
	}
	apart := now.Time.Sub(noted.Time).Abs()
	return noted.Reason != now.Reason || apart >= noteSame || ended && (apart > 0 || noted.Detail != now.Detail)
}

// noteStart notes why the agent could not start. A directory that is not this
// user's stays as it is.
func (a *Agent) noteStart(err error) {
	if identity.CheckDir(a.o.FS, a.cfg.State) != nil || errors.Is(err, context.Canceled) || errors.Is(err, fs.ErrPermission) {
		return
	}
	e := noteOf(&LastError{Reason: "start", Detail: err.Error(), Time: a.clock.Now().UTC(), Hint: Hint(err)})
	if differs(a.readNote(), e, false) {
		a.writeNote(e)
	}
}
