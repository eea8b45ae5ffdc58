package binary

import (
	"context"
	"errors"
	"io"
	"strconv"

	"mooring/server/platform"
)

// Content is what an object has, open for reading. It is an io.ReadSeeker that
// holds one chunk in memory and nothing else. It is not safe for concurrent use.
type Content struct {
	platform.Binary
	ctx    context.Context
	store  platform.Binaries
	tenant platform.TenantID

	at    int64 // where the next Read begins
	chunk []byte
	held  int // the number of chunk; -1: none
}

var _ io.ReadSeeker = (*Content)(nil)

// Open returns the content of object; problem.NotFound if it has none. ctx
// holds for the reads too. A read fails if the content is replaced or deleted
// meanwhile.
func (s *Service) Open(ctx context.Context, tenant platform.TenantID, object platform.ID) (*Content, error) {
	b, err := s.Config.Store.Binary(ctx, tenant, object)
	if err != nil {
		return nil, err
	}
	return &Content{Binary: b, ctx: ctx, store: s.Config.Store, tenant: tenant, held: -1}, nil
}

// ETag names this content among all that the object ever has, quoted as HTTP
// wants it (RFC 9110 §8.8.3).
func (c *Content) ETag() string { return `"` + strconv.FormatInt(int64(c.Number), 36) + `"` }

// Read implements io.Reader.
func (c *Content) Read(p []byte) (int, error) {
	if c.at >= c.Length {
		return 0, io.EOF
	}
	if number := int(c.at / platform.MaxBinaryChunk); number != c.held {
		chunk, err := c.store.BinaryChunk(c.ctx, c.tenant, c.Number, number)
		if err != nil {
			return 0, err
		}
		c.chunk, c.held = chunk, number
	}
	within := c.at % platform.MaxBinaryChunk
	if within >= int64(len(c.chunk)) {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, c.chunk[within:])
	c.at += int64(n)
	return n, nil
}

// Seek implements io.Seeker.
func (c *Content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.at
	case io.SeekEnd:
		offset += c.Length
	}
	if offset < 0 {
		return c.at, errors.New("binary: seek before the start")
	}
	c.at = offset
	return offset, nil
}
