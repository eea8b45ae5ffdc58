package agent

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"

	"mooring/agent/operation"
	"mooring/internal/durable"
)

// atRest tells what waits on the disk while no agent runs.
func (a *Agent) atRest(s *Status) {
	if err := a.openSpool(asIs{a.o.FS}); err != nil {
		if !errors.Is(err, fs.ErrNotExist) { // never started
			a.log.Warn("what waits to be sent cannot be read", "err", err)
		}
		return
	}
	stats := a.spool.Stats()
	s.Spool = &stats
	a.waiting(s)
}

// waiting adds since when messages wait, and how many operations.
func (a *Agent) waiting(s *Status) {
	if at, ok := a.spool.Oldest(); ok {
		at = at.UTC()
		s.Oldest = &at
	}
	n, err := operation.Waiting(a.o.FS, filepath.Join(a.cfg.State, operationsDir))
	if err != nil {
		a.log.Warn("the operations under way cannot be read", "err", err)
	}
	s.Operations = n
}

// asIs is a file system on which nothing changes, whoever repairs what there.
type asIs struct{ durable.FS }

func (asIs) Create(string, fs.FileMode) (durable.File, error) { return nowhere{io.Discard}, nil }
func (asIs) Rename(string, string) error                      { return nil }
func (asIs) Remove(string) error                              { return nil }
func (asIs) Mkdir(string, fs.FileMode) error                  { return nil }
func (asIs) Symlink(string, string) error                     { return nil }
func (asIs) SyncDir(string) error                             { return nil }

type nowhere struct{ io.Writer }

func (nowhere) Sync() error  { return nil }
func (nowhere) Close() error { return nil }
