package operation

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"mooring/internal/durable"
)

// downloaded is a file on disk, in segments.
type downloaded struct {
	fsys      durable.FS
	dir       string
	segments  int
	signature string
}

func segmentPath(dir string, n int) string { return filepath.Join(dir, fmt.Sprintf("%06d", n)) }

// open reads the file from its beginning.
func (d *downloaded) open() io.Reader { return &segmentReader{file: d} }

// segmentReader has one segment in memory.
type segmentReader struct {
	file *downloaded
	next int
	rest []byte
}

func (r *segmentReader) Read(p []byte) (n int, err error) {
	for len(r.rest) == 0 {
		if r.next == r.file.segments {
			return 0, io.EOF
		}
		if r.rest, err = r.file.fsys.ReadFile(segmentPath(r.file.dir, r.next)); err != nil {
			return 0, err
		}
		r.next++
	}
	n = copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// fill is io.ReadFull that leaves the error as it is: a file that ends and a
// connection that breaks must not look the same.
func fill(in io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var more int
		more, err = in.Read(buf[n:])
		n += more
	}
	return n, err
}

// stallReader puts off the end for each piece that comes.
type stallReader struct {
	in    io.Reader
	timer *time.Timer
}

func (s stallReader) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if n > 0 {
		s.timer.Reset(stallLimit)
	}
	return n, err
}
