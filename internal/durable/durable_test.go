package durable_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
)

// prepared returns a file system that holds /d/f with "old", and no history.
func prepared(t *testing.T) *durabletest.FS {
	t.Helper()
	fsys := durabletest.New()
	if err := durable.MkdirAll(fsys, "/d", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(fsys, "/d/f", []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.PointAt(fsys, "/d/link", "old"); err != nil {
		t.Fatal(err)
	}
	return fsys.PowerLoss(nil)
}

func content(fsys durable.FS, path string) string {
	b, err := fsys.ReadFile(path)
	if err != nil {
		return "error: " + err.Error()
	}
	return string(b)
}

func target(fsys durable.FS, link string) string {
	s, err := fsys.ReadLink(link)
	if err != nil {
		return "error: " + err.Error()
	}
	return s
}

// atEveryCut runs do with the power cut before each of its steps and looks at
// what is found afterwards, several ways of losing the cache each.
func atEveryCut(t *testing.T, do func(durable.FS) error, check func(t *testing.T, done bool, found durable.FS)) {
	t.Helper()
	clean := prepared(t)
	if err := do(clean); err != nil {
		t.Fatal(err)
	}
	for n := range clean.Steps() + 1 {
		for seed := range uint64(20) {
			fsys := prepared(t)
			fsys.CutAt(n)
			err := do(fsys)
			if done := n == clean.Steps(); (err == nil) != done || fsys.WasCut() == done {
				t.Fatalf("cut at %d of %d: %v", n, clean.Steps(), err)
			}
			if err != nil && !errors.Is(err, durabletest.ErrPowerCut) {
				t.Errorf("cut at %d: %v", n, err)
			}
			check(t, err == nil, fsys.PowerLoss(rand.New(rand.NewPCG(seed, uint64(n)))))
			if seed == 0 {
				check(t, err == nil, fsys.PowerLoss(nil))
				check(t, err == nil, fsys.Restart())
			}
		}
	}
}

func TestPowerCuts(t *testing.T) {
	t.Run("WriteFile", func(t *testing.T) {
		atEveryCut(t, func(fsys durable.FS) error { return durable.WriteFile(fsys, "/d/f", []byte("new content"), 0o600) },
			func(t *testing.T, done bool, found durable.FS) {
				got := content(found, "/d/f")
				if got != "new content" && (done || got != "old") {
					t.Errorf("done %v, found %q", done, got)
				}
			})
	})
	t.Run("PointAt", func(t *testing.T) {
		atEveryCut(t, func(fsys durable.FS) error { return durable.PointAt(fsys, "/d/link", "new") },
			func(t *testing.T, done bool, found durable.FS) {
				got := target(found, "/d/link")
				if got != "new" && (done || got != "old") {
					t.Errorf("done %v, found %q", done, got)
				}
			})
	})
	t.Run("MkdirAll", func(t *testing.T) {
		atEveryCut(t, func(fsys durable.FS) error { return durable.MkdirAll(fsys, "/d/a/b/c", 0o700) },
			func(t *testing.T, done bool, found durable.FS) {
				if _, err := found.Lstat("/d/a/b/c"); done && err != nil {
					t.Error(err)
				}
				if err := durable.MkdirAll(found, "/d/a/b/c", 0o700); err != nil {
					t.Errorf("again: %v", err)
				}
			})
	})
	t.Run("Rename", func(t *testing.T) {
		atEveryCut(t, func(fsys durable.FS) error {
			if err := durable.MkdirAll(fsys, "/e", 0o700); err != nil {
				return err
			}
			return durable.Rename(fsys, "/d/f", "/e/g")
		}, func(t *testing.T, done bool, found durable.FS) {
			if done && (content(found, "/e/g") != "old" || content(found, "/d/f") == "old") {
				t.Errorf("found %q and %q", content(found, "/d/f"), content(found, "/e/g"))
			}
		})
	})
	t.Run("RemoveAll", func(t *testing.T) {
		atEveryCut(t, func(fsys durable.FS) error { return durable.RemoveAll(fsys, "/d") },
			func(t *testing.T, done bool, found durable.FS) {
				if _, err := found.Lstat("/d"); done && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("still there: %v", err)
				}
				if err := durable.RemoveAll(found, "/d"); err != nil {
					t.Errorf("again: %v", err)
				}
			})
	})
}

// TestKilledThenPowerCut: a process is killed at any step of making a directory,
// the next one puts a file there, then the power fails.
func TestKilledThenPowerCut(t *testing.T) {
	mkdir := func(fsys durable.FS) error { return durable.MkdirAll(fsys, "/d/a/b", 0o700) }
	clean := prepared(t)
	if err := mkdir(clean); err != nil {
		t.Fatal(err)
	}
	for n := range clean.Steps() {
		fsys := prepared(t)
		fsys.CutAt(n)
		if err := mkdir(fsys); err == nil {
			t.Fatalf("cut at %d was not noticed", n)
		}
		next := fsys.Restart()
		if err := mkdir(next); err != nil {
			t.Fatal(err)
		}
		if err := durable.WriteFile(next, "/d/a/b/f", []byte("new"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := content(next.PowerLoss(nil), "/d/a/b/f"); got != "new" {
			t.Errorf("killed at %d: found %q", n, got)
		}
	}
}

// TestFaults lets each step of WriteFile fail once: the error comes through,
// the old content stays or the new is there, and nothing piles up.
func TestFaults(t *testing.T) {
	for _, fault := range []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS} {
		clean := prepared(t)
		if err := durable.WriteFile(clean, "/d/f", []byte("new"), 0o600); err != nil {
			t.Fatal(err)
		}
		failed := 0
		for n := range clean.Steps() {
			fsys := prepared(t)
			fsys.FailAt(n, fault)
			err := durable.WriteFile(fsys, "/d/f", []byte("new"), 0o600)
			if err != nil {
				failed++
			}
			if err != nil && !errors.Is(err, fault) {
				t.Errorf("step %d: %v, want %v", n, err, fault)
			}
			if got := content(fsys, "/d/f"); got != "new" && (err == nil || got != "old") {
				t.Errorf("step %d: found %q after %v", n, got, err)
			}
			entries, err := fsys.ReadDir("/d")
			if err != nil || len(entries) != 2 {
				t.Errorf("step %d: %v, %v", n, entries, err)
			}
		}
		if failed != clean.Steps() {
			t.Errorf("%v: %d of %d steps were noticed", fault, failed, clean.Steps())
		}
	}
}

func TestRealFileSystem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := durable.MkdirAll(durable.OS, dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(filepath.Join(dir, ".tmp-f"), []byte("leftover"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two"} {
		if err := durable.WriteFile(durable.OS, path, []byte(want), 0o660); err != nil {
			t.Fatal(err)
		}
		if got := content(durable.OS, path); got != want {
			t.Errorf("found %q, want %q", got, want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for _, want := range []string{"one", "two"} {
		if err := durable.PointAt(durable.OS, filepath.Join(dir, "link"), want); err != nil {
			t.Fatal(err)
		}
		if got := target(durable.OS, filepath.Join(dir, "link")); got != want {
			t.Errorf("link to %q, want %q", got, want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".tmp-x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.RemoveTemporary(durable.OS, dir); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("left: %v, %v", entries, err)
	}
	if err := durable.MkdirAll(durable.OS, path, 0o700); err == nil {
		t.Error("a directory was made over a file")
	}
	if err := durable.WriteFile(durable.OS, filepath.Join(dir, "none", "f"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	if err := durable.Remove(durable.OS, filepath.Join(dir, "none")); err != nil {
		t.Errorf("remove what is not there: %v", err)
	}
	if err := durable.RemoveAll(durable.OS, dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after RemoveAll: %v", err)
	}
}

// TestRemoveAllStaysInside: a link is removed, what it leads to is not.
func TestRemoveAllStaysInside(t *testing.T) {
	for name, fsys := range map[string]durable.FS{"memory": durabletest.New(), "real": durable.OS} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, d := range []string{"in", "out"} {
				if err := durable.MkdirAll(fsys, filepath.Join(dir, d), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			kept := filepath.Join(dir, "out", "f")
			if err := durable.WriteFile(fsys, kept, []byte("kept"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := durable.PointAt(fsys, filepath.Join(dir, "in", "link"), "../out"); err != nil {
				t.Fatal(err)
			}
			if got := content(fsys, filepath.Join(dir, "in", "link", "f")); got != "kept" {
				t.Errorf("through the link: %q", got)
			}
			if err := durable.RemoveAll(fsys, filepath.Join(dir, "in")); err != nil {
				t.Fatal(err)
			}
			if got := content(fsys, kept); got != "kept" {
				t.Errorf("behind the link: %q", got)
			}
		})
	}
}

// TestFaultyDiskForgets: the disk of the tests does lose what was not synced,
// else the tests above prove nothing.
func TestFaultyDiskForgets(t *testing.T) {
	steps := []struct {
		name string
		do   func(durable.FS) error
		want string
	}{
		{name: "no sync of the file", want: "", do: func(fsys durable.FS) error {
			f, err := fsys.Create("/d/x", 0o600)
			if err != nil {
				return err
			}
			_, err = f.Write([]byte("content"))
			return errors.Join(err, fsys.SyncDir("/d"))
		}},
		{name: "no sync of the directory", want: "error: read /d/x: file does not exist", do: func(fsys durable.FS) error {
			f, err := fsys.Create("/d/x", 0o600)
			if err != nil {
				return err
			}
			_, err = f.Write([]byte("content"))
			return errors.Join(err, f.Sync())
		}},
		{name: "both", want: "content", do: func(fsys durable.FS) error {
			f, err := fsys.Create("/d/x", 0o600)
			if err != nil {
				return err
			}
			_, err = f.Write([]byte("content"))
			return errors.Join(err, f.Sync(), fsys.SyncDir("/d"))
		}},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			fsys := prepared(t)
			if err := s.do(fsys); err != nil {
				t.Fatal(err)
			}
			if got := content(fsys.PowerLoss(nil), "/d/x"); got != s.want {
				t.Errorf("found %q, want %q", got, s.want)
			}
		})
	}
}
