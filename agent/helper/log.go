package helper

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mooring/agent/config"
)

const (
	// defaultLines is how much of a log is brought if nobody says.
	defaultLines = 1000
	// maxLine cuts a line of a log, in bytes.
	maxLine = 32 << 10
	// maxLogFiles is how many of a pattern's files are read, the newest; more than
	// maxMatches are a mistake in the pattern.
	maxLogFiles = 100
	maxMatches  = 1000
)

// readLog brings the newest lines of a log that fit a request.
func (s *Server) readLog(w io.Writer, r *Request) error {
	pattern, ok := config.Find(s.o.Operations.Log.Files, r.Name)
	if !ok {
		return errNotAllowed
	}
	q := logQuery{search: []byte(r.Search), last: tail{lines: r.MaxLines, bytes: s.o.Operations.Log.MaxBytes}}
	if q.last.lines == 0 {
		q.last.lines = defaultLines
	}
	var err error
	if q.from, err = parseTime(r.From); err != nil {
		return err
	}
	if q.to, err = parseTime(r.To); err != nil {
		return err
	}
	paths, err := logFiles(pattern, q.from)
	if err != nil {
		return err
	}
	refused := 0
	for _, path := range paths {
		err := q.file(path, s.o.Operations.Log.Files)
		if led, ok := errors.AsType[*ledAway](err); ok {
			s.log.Warn("a log is not read", "path", path, "leads_to", led.to)
			if refused++; refused < len(paths) {
				continue
			}
		}
		if err != nil {
			return err
		}
	}
	for _, line := range q.last.kept {
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}

func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, errors.New("from and to must be times as RFC 3339 has them")
	}
	return t, nil
}

// logFiles lists the files of a pattern that were written to since from, the
// newest last.
func logFiles(pattern string, from time.Time) ([]string, error) {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	if len(matches) > maxMatches {
		return nil, fmt.Errorf("%s matches more than %d files", pattern, maxMatches)
	}
	type dated struct {
		path string
		at   time.Time
	}
	var list []dated
	for _, path := range matches {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.ModTime().Before(from) || compressed(path) {
			continue
		}
		list = append(list, dated{path, info.ModTime()})
	}
	if len(matches) == 0 {
		return nil, errors.New("there is no log " + pattern)
	}
	for i := range list { // few, and package sort is large
		for k := i; k > 0 && list[k].at.Before(list[k-1].at); k-- {
			list[k], list[k-1] = list[k-1], list[k]
		}
	}
	list = list[max(0, len(list)-maxLogFiles):]
	paths := make([]string, len(list))
	for i, d := range list {
		paths[i] = d.path
	}
	return paths, nil
}

func compressed(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".gz" || ext == ".xz" || ext == ".bz2" || ext == ".zst"
}

// logQuery chooses lines.
type logQuery struct {
	from, to time.Time
	search   []byte
	last     tail
}

// file looks through one file. A line without a time is as old as the one
// before it.
func (q *logQuery) file(path string, allowed []config.Named) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	if err := staysWithin(f, allowed); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(io.LimitReader(f, info.Size()), maxLine) // it may grow meanwhile
	within := true
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			if at, ok := timeOf(string(line[:min(len(line), 40)]), info.ModTime()); ok {
				within = (q.from.IsZero() || !at.Before(q.from)) && (q.to.IsZero() || !at.After(q.to))
			}
			if within && bytes.Contains(line, q.search) {
				q.last.add(line)
			}
		}
		for errors.Is(err, bufio.ErrBufferFull) { // what is cut
			_, err = in.ReadSlice('\n')
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// isoLayouts are the times a line may begin with, most exact first; fractions
// of seconds are read by all of them.
var isoLayouts = []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05"}

// timeOf finds the time that a line begins with. The syslog of old has no year:
// it is that of the file, or the one before.
func timeOf(line string, modified time.Time) (time.Time, bool) {
	line = strings.TrimLeft(line, "[<")
	if len(line) >= 15 {
		if t, err := time.ParseInLocation("2006 Jan _2 15:04:05", modified.Format("2006 ")+line[:15], time.Local); err == nil {
			if t.After(modified.Add(24 * time.Hour)) {
				t = t.AddDate(-1, 0, 0)
			}
			return t, true
		}
	}
	if len(line) < 19 || line[4] != '-' {
		return time.Time{}, false
	}
	end := 19 // of "2006-01-02T15:04:05"
	for end < len(line) && strings.ContainsRune("0123456789.,:+-Z", rune(line[end])) {
		end++
	}
	text := strings.Replace(line[:end], ",", ".", 1)
	for _, layout := range isoLayouts {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// tail keeps the last lines within both bounds.
type tail struct {
	lines, bytes int
	kept         [][]byte
	size         int
}

func (t *tail) add(line []byte) {
	line = bytes.Clone(line)
	if line[len(line)-1] != '\n' {
		line = append(line, '\n')
	}
	t.kept = append(t.kept, line)
	t.size += len(line)
	for len(t.kept) > 0 && (len(t.kept) > t.lines || t.size > t.bytes) {
		t.size -= len(t.kept[0])
		t.kept[0] = nil
		t.kept = t.kept[1:]
	}
}
