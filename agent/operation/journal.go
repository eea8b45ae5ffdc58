package operation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"mooring/internal/durable"
)

const (
	journalFile = "journal.json"
	// maxEntries is how many operations wait or are under way. More stay pending
	// at the server.
	maxEntries = 32
	// maxDone is how many IDs of finished operations are remembered, for a
	// server that sends one again before it has heard the end.
	maxDone = 256
	// maxJournal bounds the file in bytes; entries together are far below.
	maxJournal = 8 << 20
	// maxBody bounds what an operation says, in bytes.
	maxBody = 64 << 10
)

// phase is how far an operation is.
type phase string

const (
	received   phase = "received"   // nobody has heard of it
	announcing phase = "announcing" // the server may know that it is executing
	running    phase = "running"    // the server knows
	ended      phase = "ended"      // Result is set; the server may know
)

// entry is one operation in the journal. Who has it in a lane owns it.
type entry struct {
	// ID is empty if the operation came as a line.
	ID       string          `json:"id,omitempty"`
	DeviceID string          `json:"device_id,omitempty"`
	Target   string          `json:"target"` // external ID of the device that is to act
	Fragment string          `json:"fragment"`
	Body     json.RawMessage `json:"body,omitempty"`
	Key      string          `json:"key"` // names it for the helper and on disk
	// Refusal is why it is not even tried.
	Refusal string `json:"refusal,omitempty"`

	Phase phase `json:"phase"`
	// Sent is the message that the phase waits for, as the uplink numbers it.
	Sent uint64 `json:"sent,omitempty"`
	// Try counts how often the helper was asked anew.
	Try int `json:"try,omitempty"`
	// Note is what the verb must remember.
	Note   json.RawMessage `json:"note,omitempty"`
	Result *result         `json:"result,omitempty"`
}

// result is the end of an operation.
type result struct {
	Failed string   `json:"failed,omitempty"` // why; empty: successful
	Values []string `json:"values,omitempty"`
}

// journal is what a restart must know. Each change is on disk when it returns.
type journal struct {
	fsys durable.FS
	path string

	mu      sync.Mutex // guards what follows
	entries []*entry   // oldest first
	done    []string   // newest last
}

// content is the file.
type content struct {
	Entries []*entry `json:"entries"`
	Done    []string `json:"done"`
}

// openJournal reads the journal, or begins one. What is not readable is set
// aside and returned as damaged. Files of operations that are over are removed.
func openJournal(fsys durable.FS, dir string) (j *journal, damaged, err error) {
	if err := durable.MkdirAll(fsys, dir, 0o700); err != nil {
		return nil, nil, err
	}
	j = &journal{fsys: fsys, path: filepath.Join(dir, journalFile)}
	if damaged = j.load(); damaged != nil {
		j.entries, j.done = nil, nil
		if err := durable.Rename(fsys, j.path, j.path+".damaged"); err != nil {
			return nil, damaged, errors.Join(damaged, err)
		}
	}
	// A line that nobody has heard of is still pending, and comes again.
	j.entries = slices.DeleteFunc(j.entries, func(e *entry) bool { return e.ID == "" && e.Phase == received })
	return j, damaged, j.sweep(dir)
}

func (j *journal) load() error {
	info, err := j.fsys.Lstat(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() > maxJournal {
		return fmt.Errorf("%s is longer than %d bytes", j.path, maxJournal)
	}
	text, err := j.fsys.ReadFile(j.path)
	if err != nil {
		return err
	}
	c, err := parseJournal(text)
	j.entries, j.done = c.Entries, c.Done
	return err
}

func parseJournal(text []byte) (c content, err error) {
	if err := json.Unmarshal(text, &c); err != nil {
		return content{}, err
	}
	for _, e := range c.Entries {
		known := e != nil && slices.Contains([]phase{received, announcing, running, ended}, e.Phase)
		if !known || !isKey(e.Key) || (e.Phase == ended) != (e.Result != nil) {
			return content{}, errors.New("an operation in the journal is broken")
		}
	}
	return c, nil
}

func isKey(s string) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 32
}

// sweep removes files of operations that are over.
func (j *journal) sweep(dir string) error {
	entries, err := j.fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, d := range entries {
		used := slices.ContainsFunc(j.entries, func(e *entry) bool { return e.Key == d.Name() })
		if isKey(d.Name()) && !used {
			if err := durable.RemoveAll(j.fsys, filepath.Join(dir, d.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// list returns the entries, oldest first.
func (j *journal) list() []*entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

// known reports whether an operation is here, or was lately.
func (j *journal) known(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Contains(j.done, id) || slices.ContainsFunc(j.entries, func(e *entry) bool { return e.ID == id })
}

var errNoRoom = errors.New("too many operations wait")

// add takes an operation in.
func (j *journal) add(e *entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.entries) >= maxEntries {
		return errNoRoom
	}
	j.entries = append(j.entries, e)
	if err := j.save(); err != nil {
		j.entries = j.entries[:len(j.entries)-1]
		return err
	}
	return nil
}

// change edits an entry. After an error it is changed in memory alone.
func (j *journal) change(e *entry, edit func(*entry)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	edit(e)
	return j.save()
}

// adopt gives an operation that came as a line its ID, and reports whether
// there was one.
func (j *journal) adopt(id, target, fragment string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.entries {
		if e.ID == "" && e.Target == target && e.Fragment == fragment {
			e.ID = id
			return true // it is on disk with the next change
		}
	}
	return false
}

// waits reports whether the same line is here and the server has not heard of
// it: it sends pending operations again.
func (j *journal) waits(line *entry) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.ContainsFunc(j.entries, func(e *entry) bool {
		return e.ID == "" && (e.Phase == received || e.Phase == announcing) &&
			e.Target == line.Target && e.Fragment == line.Fragment && bytes.Equal(e.Body, line.Body)
	})
}

// id returns the ID of an entry, which adopt may give it.
func (j *journal) id(e *entry) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return e.ID
}

// drop forgets an operation that nobody has heard of, in memory: the disk failed
// just now. If the file still has it, a restart begins with it.
func (j *journal) drop(e *entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = slices.DeleteFunc(j.entries, func(x *entry) bool { return x == e })
}

// remove forgets an operation but for its ID.
func (j *journal) remove(e *entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = slices.DeleteFunc(j.entries, func(x *entry) bool { return x == e })
	if e.ID != "" {
		j.done = append(j.done, e.ID)
		j.done = slices.Clone(j.done[max(0, len(j.done)-maxDone):])
	}
	return j.save()
}

func (j *journal) save() error {
	text, err := json.Marshal(content{j.entries, j.done})
	if err != nil {
		return err
	}
	return durable.WriteFile(j.fsys, j.path, text, 0o600)
}

// Waiting returns how many operations are in the journal of a directory, begun or
// not, without changing it.
func Waiting(fsys durable.FS, dir string) (int, error) {
	j := &journal{fsys: fsys, path: filepath.Join(dir, journalFile)}
	err := j.load()
	return len(j.entries), err
}
