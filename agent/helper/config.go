package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mooring/agent/config"
	"mooring/internal/durable"
)

// applyLimit bounds the program that makes a configuration take effect.
const applyLimit = 2 * time.Minute

var errNotAllowed = errors.New("the configuration file of the agent does not allow that")

// configPath finds the file of a type; a link leads to the file it names.
func (s *Server) configPath(name string) (string, error) {
	path, ok := config.Find(s.o.Operations.Configuration.Files, name)
	if !ok {
		return "", errNotAllowed
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return real, err
}

func (s *Server) readConfig(w io.Writer, name string) error {
	path, err := s.configPath(name)
	if err != nil {
		return err
	}
	text, err := readRegular(path, s.o.Operations.Configuration.MaxBytes)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// readRegular reads a whole file, which must be one: no device and no pipe that
// never ends.
func readRegular(path string, limit int) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(text) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return text, err
}

// writeConfig replaces a configuration and makes it take effect. If that fails,
// the one before comes back.
func (s *Server) writeConfig(name, from string) error {
	path, err := s.configPath(name)
	if err != nil {
		return err
	}
	limit := s.o.Operations.Configuration.MaxBytes
	text, err := readRegular(from, limit)
	if err != nil {
		return err
	}
	before, err := readRegular(path, limit)
	existed := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := replace(path, text); err != nil {
		return err
	}
	err = s.apply(name)
	if err == nil {
		return nil
	}
	back := errors.New("the file before is back")
	if existed {
		err = errors.Join(err, replace(path, before))
	} else {
		err = errors.Join(err, durable.Remove(durable.OS, path))
	}
	if again := s.apply(name); again != nil {
		back = fmt.Errorf("the file before is back, and does not take effect either: %w", again)
	}
	return fmt.Errorf("the configuration does not take effect: %w; %w", err, back)
}

// replace writes a file in one step, with mode and owner of the one before.
func replace(path string, text []byte) error {
	mode, uid, gid := fs.FileMode(0o644), -1, -1
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			uid, gid = int(st.Uid), int(st.Gid)
		}
	}
	return durable.WriteFile(ownedBy{durable.OS, uid, gid}, path, text, mode)
}

// ownedBy gives new files an owner.
type ownedBy struct {
	durable.FS
	uid, gid int
}

func (o ownedBy) Create(path string, perm fs.FileMode) (durable.File, error) {
	f, err := o.FS.Create(path, perm)
	if err != nil || o.uid < 0 {
		return f, err
	}
	if err := os.Lchown(path, o.uid, o.gid); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return f, nil
}

func (s *Server) apply(name string) error {
	line, ok := config.Find(s.o.Operations.Configuration.Apply, name)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), applyLimit)
	defer cancel()
	_, tail, status, err := start(ctx, strings.Fields(line), nil, nil)
	if err == nil && status != 0 {
		err = failed(status, tail)
	}
	return err
}
