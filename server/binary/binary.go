// Package binary keeps the bytes of files: those of the inventory and those
// that are attached to events. They lie in the store, in chunks, so that one
// machine and several nodes work alike, a backup of the store has them, and no
// file is ever half there: an upload is seen by nobody until all of it is
// durable, and then at once.
//
// What a file is called is said by the object it belongs to, a managed object
// or an event, whose ID names its bytes. Bytes whose object is gone are found
// by Sweep.
package binary

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Defaults of Config.
const (
	DefaultMaxBytes = 50 << 20 // rest.md §6.5
	DefaultQuota    = 10 << 30
	maxUploads      = 64 // at once; each holds one chunk in memory
)

// Config says what a Service works on.
type Config struct {
	Store platform.Binaries
	IDs   platform.IDs
	// MaxBytes bounds one file. Zero: DefaultMaxBytes.
	MaxBytes int64
	// Quota bounds what the files of one tenant add up to. Zero: DefaultQuota.
	Quota int64
	Now   func() time.Time // nil is time.Now
	Log   *slog.Logger     // nil discards
}

// Service keeps the binaries of an instance.
type Service struct {
	Config
	uploads chan struct{} // one slot for each upload under way
}

// New returns a Service on the store of c.
func New(c Config) *Service {
	if c.MaxBytes <= 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.Quota <= 0 {
		c.Quota = DefaultQuota
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{Config: c, uploads: make(chan struct{}, maxUploads)}
}

// Store reads r to its end and makes that the content of object, in place of
// what it had. If it fails, what it had stays.
//
// Errors: problem.TooLarge beyond MaxBytes or the tenant's quota,
// problem.Unavailable if too many uploads are under way, problem.Invalid if r
// breaks off.
func (s *Service) Store(ctx context.Context, tenant platform.TenantID, object platform.ID, r io.Reader) (platform.Binary, error) {
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	default:
		return platform.Binary{}, problem.New(problem.Unavailable, "Too many files are being uploaded, try again.", nil)
	}
	number, err := s.IDs.NewID(ctx)
	if err != nil {
		return platform.Binary{}, err
	}
	b := platform.Binary{Upload: platform.Upload{Number: number, Object: object, At: platform.Millis(s.Now())}}
	if err := s.Config.Store.BeginBinary(ctx, tenant, b.Upload); err != nil {
		return b, err
	}
	if b.Length, err = s.append(ctx, tenant, number, r); err == nil {
		err = s.Config.Store.CommitBinary(ctx, tenant, number, b.Length, s.Quota)
	}
	if err != nil {
		// Who uploads may be gone; what is left over must go all the same.
		if e := s.Config.Store.AbortBinary(context.WithoutCancel(ctx), tenant, number); e != nil {
			s.Log.Warn("an upload that failed will be swept later", "tenant", tenant, "err", e)
		}
	}
	return b, err
}

// append writes the chunks and returns how many bytes they have.
func (s *Service) append(ctx context.Context, tenant platform.TenantID, upload platform.ID, r io.Reader) (int64, error) {
	chunk := make([]byte, platform.MaxBinaryChunk)
	length := int64(0)
	for number := 0; ; number++ {
		n, err := fill(r, chunk)
		length += int64(n)
		if length > s.MaxBytes {
			return length, problem.New(problem.TooLarge, fmt.Sprintf("A file has at most %d bytes.", s.MaxBytes), nil)
		}
		if err != nil && err != io.EOF {
			if problem.KindOf(err) != problem.Internal {
				return length, err
			}
			return length, problem.New(problem.Invalid, "The file could not be read to its end.", err)
		}
		if n > 0 {
			if err := s.Config.Store.AppendBinary(ctx, tenant, upload, number, chunk[:n]); err != nil {
				return length, err
			}
		}
		if err == io.EOF {
			return length, nil
		}
	}
}

// fill reads until b is full or r ends: with io.EOF, and nothing else, if that
// is its end. io.ReadFull would call that io.ErrUnexpectedEOF, as a body says
// whose sender went away.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var read int
		read, err = r.Read(b[n:])
		n += read
	}
	return n, err
}

// Bound is how many bytes a file may have.
func (s *Service) Bound() int64 { return s.MaxBytes }

// Delete removes the content of object; problem.NotFound if it has none.
func (s *Service) Delete(ctx context.Context, tenant platform.TenantID, object platform.ID) error {
	return s.Config.Store.DeleteBinary(ctx, tenant, object)
}
