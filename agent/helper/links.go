package helper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"mooring/agent/config"
)

// maxLinks bounds the links that a path leads through, as the kernel does
// (path_resolution(7)).
const maxLinks = 40

// ledAway says that a path that is allowed leads to one that is not.
type ledAway struct{ path, to string }

func (e *ledAway) Error() string {
	return e.path + " is a link to what the configuration file of the agent does not allow"
}

// staysWithin refuses a file that none of the patterns names: who may write to a
// directory of logs could put a link to any file there. What counts is where the
// open file is, because links may change meanwhile.
func staysWithin(f *os.File, patterns []config.Named) error {
	real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return err
	}
	for _, p := range patterns {
		dir, rest := cutPattern(p.Value)
		if dir, err = realDir(dir); err != nil {
			continue // whatever was opened is not there
		}
		below, ok := strings.CutPrefix(real, strings.TrimSuffix(dir, "/")+"/")
		if match, err := filepath.Match(rest, below); ok && match && err == nil {
			return nil
		}
	}
	return &ledAway{f.Name(), real}
}

// cutPattern splits a pattern before the first element that can mean several
// names, or before the last.
func cutPattern(pattern string) (dir, rest string) {
	elements := strings.Split(filepath.Clean(pattern), "/")
	n := 0
	for n < len(elements)-1 && !strings.ContainsAny(elements[n], `*?[\`) {
		n++
	}
	return "/" + strings.Join(elements[:n], "/"), strings.Join(elements[n:], "/")
}

// realDir resolves the links of a directory that the configuration names. It
// follows those of root alone, or of who runs the helper.
func realDir(path string) (string, error) {
	at, links := "/", 0
	for rest := strings.Split(path, "/"); len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		info, err := os.Lstat(next)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
			return "", fmt.Errorf("the link %s belongs to user %d", next, st.Uid)
		}
		if links++; links > maxLinks {
			return "", errors.New("too many links")
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, nil
}
