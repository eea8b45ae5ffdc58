package helper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"mooring/internal/durable"
)

const (
	jobsFile = "jobs.json"
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

	mu   sync.Mutex // guards list
	list []*job     // oldest first
}

// loadJobs reads what an earlier helper left. What it had begun and not finished
// was interrupted.
func loadJobs(fsys durable.FS, dir string) (*jobs, error) {
	js := &jobs{fsys: fsys, path: filepath.Join(dir, jobsFile)}
	info, err := fsys.Lstat(js.path)
	if errors.Is(err, fs.ErrNotExist) {
		return js, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxJobsBytes {
		return nil, fmt.Errorf("%s is longer than %d bytes", js.path, maxJobsBytes)
	}
	text, err := fsys.ReadFile(js.path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &js.list); err != nil {
		return nil, fmt.Errorf("%s: %w", js.path, err)
	}
	for _, j := range js.list {
		j.done = make(chan struct{})
		if j.Result == nil {
			j.Result = &Result{Interrupted: true, Error: "the helper was stopped while it was at work; how far it came is not known"}
		}
		close(j.done)
	}
	return js, nil
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
	if err := js.save(); err != nil {
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

func (js *jobs) save() error {
	text, err := json.Marshal(js.list)
	if err != nil {
		return err
	}
	return durable.WriteFile(js.fsys, js.path, text, 0o600)
}
