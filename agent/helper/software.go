package helper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mooring/internal/bounded"
)

// The exit statuses of a plugin; docs/operations.md is the contract. Those of
// software are the ones of thin-edge.io, so that its plugins serve, too.
const (
	exitDone         = 0
	exitUnsupported  = 1 // the plugin knows no such command
	exitNeedsRestart = 4 // firmware: installed, runs after a restart
)

const (
	// maxList bounds what a plugin lists, in bytes and in packages.
	maxList     = 1 << 20
	maxPackages = 5000
	// listLimit bounds one list; a package manager may wait for its own lock.
	listLimit = 2 * time.Minute
)

var errTooMuch = fmt.Errorf("its list is longer than %d bytes", maxList)

// plugin finds the program for a type of software; the empty type is the first.
func (s *Server) plugin(kind string) (string, error) {
	o := s.o.Operations.Software
	if kind == "" && len(o.Types) > 0 {
		kind = o.Types[0]
	}
	if !slices.Contains(o.Types, kind) {
		return "", fmt.Errorf("software of type %q: %w", kind, errNotAllowed)
	}
	path := filepath.Join(o.Plugins, kind)
	return path, checkedProgram(path)
}

// listSoftware brings what is installed. A plugin that fails does not hide the
// software of the others; if all fail, that is told.
func (s *Server) listSoftware(w io.Writer) error {
	list := []Package{}
	var errs []error
	for _, kind := range s.o.Operations.Software.Types {
		packages, err := s.listOne(kind)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", kind, err))
			s.log.Warn("software is not listed", "type", kind, "err", err)
		}
		list = append(list, packages...)
	}
	if len(errs) > 0 && len(errs) == len(s.o.Operations.Software.Types) {
		return errors.Join(errs...)
	}
	list = list[:min(len(list), maxPackages)]
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

func (s *Server) listOne(kind string) ([]Package, error) {
	path, err := s.plugin(kind)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), listLimit)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	output := &head{limit: maxList, full: func() { stop(errTooMuch) }}
	tail, status, err := s.run(ctx, []string{path, "list"}, nil, output)
	switch {
	case err != nil:
		return nil, err
	case status != exitDone:
		return nil, failed(status, tail)
	}
	return parseList(kind, string(output.kept))
}

// parseList reads lines of name, tab and version. A line that cannot be one is
// an error: half a list would tell the server that software is gone.
func parseList(kind, text string) (list []Package, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		name, version, _ := strings.Cut(line, "\t")
		name, version = strings.Trim(name, `"`), strings.Trim(version, `"`)
		if name == "" || argument("name", name) != nil || argument("version", version) != nil {
			return nil, fmt.Errorf("the plugin listed %q", bounded.Text(printable(strings.ToValidUTF8(line, "\uFFFD")), 80))
		}
		if len(list) == maxPackages {
			return nil, fmt.Errorf("the plugin listed more than %d packages", maxPackages)
		}
		list = append(list, Package{kind, name, version})
	}
	return list, nil
}

// updateSoftware makes the changes, type by type in the order in which types
// come. After a failure the other types are still dealt with, and every error
// is told.
func (s *Server) updateSoftware(items []Item, f *files) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.o.Operations.Software.Timeout))
	defer cancel()
	var kinds []string
	changes := map[string][]change{}
	next := 0
	for _, i := range items {
		c := change{Item: i}
		if i.File {
			c.path = f.paths[next]
			next++
		}
		if changes[i.Type] == nil {
			kinds = append(kinds, i.Type)
		}
		changes[i.Type] = append(changes[i.Type], c)
	}
	var errs []error
	for _, kind := range kinds {
		path, err := s.plugin(kind)
		if err == nil {
			err = s.updateOne(ctx, path, changes[kind])
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// change is an item with the file that came for it.
type change struct {
	Item
	path string
}

func (s *Server) updateOne(ctx context.Context, plugin string, changes []change) error {
	if err := s.call(ctx, plugin, nil, "prepare"); err != nil {
		return err
	}
	err := s.call(ctx, plugin, updateList(changes), "update-list")
	if errors.Is(err, errUnsupported) {
		err = nil
		for _, c := range changes {
			if failure := s.call(ctx, plugin, nil, c.argv()...); failure != nil {
				err = errors.Join(err, failure)
			}
		}
	}
	return errors.Join(err, s.call(ctx, plugin, nil, "finalize"))
}

func (c change) argv() []string {
	argv := []string{"install", c.Name}
	if c.Remove {
		argv[0] = "remove"
	}
	if c.Version != "" {
		argv = append(argv, "--module-version", c.Version)
	}
	if c.path != "" {
		argv = append(argv, "--file", c.path)
	}
	return argv
}

// updateList is what update-list reads: action, name, version and file of each
// change, with tabs between. No field can hold a tab.
func updateList(changes []change) io.Reader {
	var b bytes.Buffer
	for _, c := range changes {
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", c.argv()[0], c.Name, c.Version, c.path)
	}
	return &b
}

var errUnsupported = errors.New("the plugin does not support it")

func (s *Server) call(ctx context.Context, plugin string, stdin io.Reader, argv ...string) error {
	tail, status, err := s.run(ctx, append([]string{plugin}, argv...), stdin, nil)
	switch {
	case err == nil && status == exitUnsupported && argv[0] == "update-list":
		return errUnsupported
	case err == nil && status != exitDone:
		err = failed(status, tail)
	}
	if err == nil {
		return nil
	}
	what := strings.Join(argv[:min(2, len(argv))], " ")
	return fmt.Errorf("%s: %s: %w", filepath.Base(plugin), what, err)
}
