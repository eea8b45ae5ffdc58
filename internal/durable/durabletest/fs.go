// Package durabletest is a file system in memory for tests of code that must
// survive power cuts.
//
// The FS counts every step that changes something: create, write, sync,
// rename, remove, make directory, link, sync of a directory. CutAt stops it
// before the n-th of them; from then on every operation answers ErrPowerCut.
// PowerLoss then gives what a disk would hold: only what was synced. Restart
// gives what a killed process leaves: everything written, because the kernel
// lives on. A test runs its scenario once to learn the number of Steps, then
// once for each n, and looks at both.
//
//	clean := durabletest.New()
//	scenario(clean)
//	for n := range clean.Steps() {
//		fsys := durabletest.New()
//		fsys.CutAt(n)
//		scenario(fsys)
//		check(fsys.PowerLoss(nil))
//		check(fsys.Restart())
//	}
package durabletest

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"mooring/internal/durable"
)

// ErrPowerCut is what every operation answers after the cut.
var ErrPowerCut = errors.New("power cut")

// maxLinks bounds the links followed in one path.
const maxLinks = 16

// FS is a file system in memory. Its root is "/"; relative paths start there.
type FS struct {
	mu     sync.Mutex // guards everything below
	root   *node
	steps  int
	cutAt  int // -1: never
	failAt int // -1: never
	fail   error
	off    bool
}

var _ durable.FS = (*FS)(nil)

// node is a file, a directory or a link, with what is seen now and what is on
// the disk.
type node struct {
	mode    fs.FileMode // type bits and permissions
	data    []byte      // file
	entries map[string]*node
	target  string // link

	syncedData    []byte
	syncedEntries map[string]*node
}

func newNode(mode fs.FileMode) *node {
	n := &node{mode: mode}
	if mode.IsDir() {
		n.entries = map[string]*node{}
		n.syncedEntries = map[string]*node{}
	}
	return n
}

// New returns an empty file system with a root directory.
func New() *FS {
	return &FS{root: newNode(fs.ModeDir | 0o755), cutAt: -1, failAt: -1}
}

// Steps returns how many changing steps were asked for so far.
func (f *FS) Steps() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.steps
}

// CutAt cuts the power before step n, counted from 0 since the FS was made.
// A write that is cut leaves half of its bytes.
func (f *FS) CutAt(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cutAt = n
}

// FailAt makes step n alone fail with err (syscall.ENOSPC, syscall.EIO). A
// write that fails leaves half of its bytes.
func (f *FS) FailAt(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failAt, f.fail = n, err
}

// WasCut reports whether the cut has happened.
func (f *FS) WasCut() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.off
}

// PowerLoss returns the file system found when the power is back: unsynced
// contents and unsynced changes of directories are gone. With r, each of them
// is kept or lost at random instead, as a disk does that wrote some of its
// cache. f itself is not to be used any more.
func (f *FS) PowerLoss(r *rand.Rand) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := New()
	g.root = afterLoss(f.root, r, map[*node]*node{})
	return g
}

// Restart returns the file system found by the next process when this one was
// killed: nothing is lost, and nothing more is synced than before. f itself is
// not to be used any more.
func (f *FS) Restart() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := New()
	g.root = f.root
	return g
}

// afterLoss copies what survives. done keeps two entries of one node together.
func afterLoss(n *node, r *rand.Rand, done map[*node]*node) *node {
	if c, ok := done[n]; ok {
		return c
	}
	c := newNode(n.mode)
	done[n] = c
	c.target = n.target
	c.data = survivingData(n, r)
	c.syncedData = append([]byte(nil), c.data...)
	for name, child := range survivingEntries(n, r) {
		c.entries[name] = afterLoss(child, r, done)
		c.syncedEntries[name] = c.entries[name]
	}
	return c
}

func survivingData(n *node, r *rand.Rand) []byte {
	if r == nil || string(n.data) == string(n.syncedData) {
		return append([]byte(nil), n.syncedData...)
	}
	keep := 0 // what was synced and only appended to is there whole
	if bytes.HasPrefix(n.data, n.syncedData) {
		keep = len(n.syncedData)
	}
	return append([]byte(nil), n.data[:keep+r.IntN(len(n.data)-keep+1)]...)
}

func survivingEntries(n *node, r *rand.Rand) map[string]*node {
	entries := map[string]*node{}
	for name, child := range n.syncedEntries {
		entries[name] = child
	}
	if r == nil {
		return entries
	}
	for _, name := range changed(n) {
		if r.IntN(2) == 0 {
			continue
		}
		if child, ok := n.entries[name]; ok {
			entries[name] = child
		} else {
			delete(entries, name)
		}
	}
	return entries
}

// changed lists the names whose entry differs from the disk, sorted so that a
// seed always means the same.
func changed(n *node) []string {
	var names []string
	for name, child := range n.entries {
		if n.syncedEntries[name] != child {
			names = append(names, name)
		}
	}
	for name := range n.syncedEntries {
		if n.entries[name] == nil {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// step counts a change. The caller holds f.mu.
func (f *FS) step() error {
	if f.off {
		return ErrPowerCut
	}
	n := f.steps
	f.steps++
	if n == f.cutAt {
		f.off = true
		return ErrPowerCut
	}
	if n == f.failAt {
		return f.fail
	}
	return nil
}

// parent finds the directory that holds path's last element.
func (f *FS) parent(path string) (*node, string, error) {
	path = filepath.Clean("/" + path)
	dir, name := filepath.Split(path)
	n, err := f.walk(dir, true)
	if err != nil {
		return nil, "", err
	}
	if !n.mode.IsDir() {
		return nil, "", fs.ErrNotExist
	}
	return n, name, nil
}

// walk finds the node of path; follow says whether a link at its end counts.
func (f *FS) walk(path string, follow bool) (*node, error) {
	links := 0
	var visit func(dir *node, at string, rest []string) (*node, error)
	visit = func(dir *node, at string, rest []string) (*node, error) {
		if len(rest) == 0 {
			return dir, nil
		}
		child := dir.entries[rest[0]]
		if child == nil {
			return nil, fs.ErrNotExist
		}
		if child.mode&fs.ModeSymlink == 0 || (len(rest) == 1 && !follow) {
			return visit(child, filepath.Join(at, rest[0]), rest[1:])
		}
		if links++; links > maxLinks {
			return nil, errors.New("too many links")
		}
		target := child.target
		if !filepath.IsAbs(target) {
			target = filepath.Join(at, target)
		}
		return visit(f.root, "/", append(elements(target), rest[1:]...))
	}
	return visit(f.root, "/", elements(path))
}

func elements(path string) []string {
	return strings.FieldsFunc(filepath.Clean("/"+path), func(r rune) bool { return r == '/' })
}

// info implements fs.FileInfo for a node.
type info struct {
	name string
	n    *node
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return int64(len(i.n.data)) }
func (i info) Mode() fs.FileMode  { return i.n.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.n.mode.IsDir() }
func (i info) Sys() any           { return nil }
