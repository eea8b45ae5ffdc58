package helper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"mooring/internal/durable"
)

const (
	jobsFile = "jobs.json"
	// keysFile has the keys of jobsFile once more, a line each: what was begun is
	// known even if jobsFile cannot be read.
	keysFile = "jobs.keys"
	// maxJobs is how many results are remembered. The agent asks for one thing
	// after the other and forgets one before it asks for many more.
	maxJobs = 64
	// maxJobsBytes bounds the file: each result is at most MaxOutput and some
	// words, and JSON may make six bytes of one.
	maxJobsBytes = maxJobs * 8 * MaxOutput
)

// job is a keyed request and what came of it.
type job struct {
	Key    string  `json:"key"`
	Result *Result `json:"result,omitempty"` // nil: under way, or interrupted

	done chan struct{} // closed when Result is set
}

// jobs remembers on disk what was begun and what came of it, so that nothing
// happens twice, however often agent and helper are stopped.
type jobs struct {
	fsys durable.FS
	path string
	keys string // the path of keysFile

	mu   sync.Mutex // guards list
	list []*job     // oldest first
}

// loadJobs reads what an earlier helper left. What it had begun and not finished
// was interrupted. A file that cannot be used is set aside and returned as
// damaged; what it named has failed, so that nothing of it is done again.
func loadJobs(fsys durable.FS, dir string) (js *jobs, damaged, err error) {
	js = &jobs{fsys: fsys, path: filepath.Join(dir, jobsFile), keys: filepath.Join(dir, keysFile)}
	if damaged = js.load(); errors.Is(damaged, fs.ErrPermission) {
		return nil, nil, damaged
	}
	if damaged == nil {
		return js, nil, nil
	}
	if err := js.salvage(); err != nil {
		return nil, damaged, err
	}
	if err := durable.Rename(fsys, js.path, js.path+".damaged"); err != nil {
		return nil, damaged, err
	}
	return js, damaged, js.save()
}

func (js *jobs) load() error {
	info, err := js.fsys.Lstat(js.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() > maxJobsBytes {
		return fmt.Errorf("%s is longer than %d bytes", js.path, maxJobsBytes)
	}
	text, err := js.fsys.ReadFile(js.path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &js.list); err != nil {
		return fmt.Errorf("%s: %w", js.path, err)
	}
	for _, j := range js.list {
		if j == nil || !isKey(j.Key) {
			return fmt.Errorf("%s: a job without a key", js.path)
		}
		j.done = make(chan struct{})
		if j.Result == nil {
			j.Result = &Result{Interrupted: true, Error: "the helper was stopped while it was at work; how far it came is not known"}
		}
		close(j.done)
	}
	return nil
}

// salvage makes a list of the keys that can be read in either file. They may be
// finished: they do not count as interrupted, which the agent would try anew.
func (js *jobs) salvage() error {
	js.list = nil
	for _, path := range []string{js.keys, js.path} {
		text, err := js.fsys.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && path == js.keys {
			return err
		}
		words := strings.FieldsFunc(string(text), func(r rune) bool { return !strings.ContainsRune(keyDigits, r) })
		for _, key := range words {
			if isKey(key) && js.find(key) == nil && len(js.list) < maxJobs {
				j := &job{Key: key, Result: &Result{Error: "the helper's notes were damaged; whether this was done is not known"}, done: make(chan struct{})}
				close(j.done)
				js.list = append(js.list, j)
			}
		}
	}
	return nil
}

func (js *jobs) find(key string) *job {
	js.mu.Lock()
	defer js.mu.Unlock()
	for _, j := range js.list {
		if j.Key == key {
			return j
		}
	}
	return nil
}

// begin notes a job before anything is done. It returns the one that is there
// already, if there is one.
func (js *jobs) begin(key string) (j *job, fresh bool, err error) {
	js.mu.Lock()
	defer js.mu.Unlock()
	for _, j := range js.list {
		if j.Key == key {
			return j, false, nil
		}
	}
	j = &job{Key: key, done: make(chan struct{})}
	before := js.list
	js.list = append(append([]*job(nil), before...), j)
	for i := 0; len(js.list) > maxJobs && i < len(js.list); {
		if js.list[i].Result == nil {
			i++
			continue
		}
		js.list = append(js.list[:i], js.list[i+1:]...)
	}
	err = js.saveKeys()
	if err == nil {
		err = js.save()
	}
	if err != nil {
		js.list = before
		return nil, false, err
	}
	return j, true, nil
}

// end notes the result. If the disk refuses it, it is kept in memory.
func (js *jobs) end(j *job, r Result) error {
	js.mu.Lock()
	defer js.mu.Unlock()
	j.Result = &r
	close(j.done)
	return js.save()
}

func (js *jobs) saveKeys() error {
	var text strings.Builder
	for _, j := range js.list {
		text.WriteString(j.Key + "\n")
	}
	return durable.WriteFile(js.fsys, js.keys, []byte(text.String()), 0o600)
}

func (js *jobs) save() error {
	text, err := json.Marshal(js.list)
	if err != nil {
		return err
	}
	return durable.WriteFile(js.fsys, js.path, text, 0o600)
}
