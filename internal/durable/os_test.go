package durable_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mooring/internal/durable"
)

// TestReadBound: what has no end, or more than MaxRead, is not read to the end.
func TestReadBound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	for _, size := range []int64{0, 1, durable.MaxRead - 1, durable.MaxRead, durable.MaxRead + 1} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
		got, err := durable.OS.ReadFile(file)
		if tooLong := size > durable.MaxRead; (err != nil) != tooLong || !tooLong && int64(len(got)) != size {
			t.Errorf("%d bytes: read %d, error %v", size, len(got), err)
		}
	}
	if _, err := durable.OS.ReadFile("/dev/zero"); err == nil || !strings.Contains(err.Error(), "longer than 16 MiB") {
		t.Errorf("/dev/zero: %v", err)
	}
	if got, err := durable.OS.ReadFile("/proc/self/status"); err != nil || !strings.HasPrefix(string(got), "Name:") {
		t.Errorf("a file that claims no size: %q, %v", got, err)
	}
}

// TestPipe: a pipe is read to its end, and one that nobody writes to holds nobody up.
func TestPipe(t *testing.T) {
	named := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(named, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := durable.OS.ReadFile(named); err == nil || !strings.Contains(err.Error(), "nothing comes") {
		t.Errorf("nobody writes: %q, %v", got, err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }() // read through its name only
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(w, "from another program")
		written <- errors.Join(err, w.Close())
	}()
	got, err := durable.OS.ReadFile(fmt.Sprintf("/proc/self/fd/%d", r.Fd()))
	if err = errors.Join(err, <-written); err != nil || string(got) != "from another program" {
		t.Errorf("got %q, %v", got, err)
	}
}
