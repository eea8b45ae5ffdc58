package platform

import (
	"context"
	"time"
)

// MaxBinaryChunk bounds one piece of a binary in the store, in bytes.
const MaxBinaryChunk = 512 << 10

// Upload is a binary on its way into the store.
type Upload struct {
	Number ID // from IDs; names the upload and, once it is complete, its content
	Object ID // the managed object or event that the bytes belong to
	At     time.Time
}

// Binary is the complete content of an object.
type Binary struct {
	Upload
	Length int64
}

// Binaries keeps the bytes of files, in chunks, so that neither a reader nor a
// writer ever holds a whole one. What a file is called and of which type is
// the business of the object it belongs to. Nothing is reported as a change.
type Binaries interface {
	// BeginBinary notes an upload. Nobody sees it until CommitBinary.
	BeginBinary(ctx context.Context, tenant TenantID, u Upload) error
	// AppendBinary adds the next chunk, of 1 to MaxBinaryChunk bytes; chunks are
	// numbered from 0. NotFound if the upload is not there or complete.
	AppendBinary(ctx context.Context, tenant TenantID, upload ID, number int, data []byte) error
	// CommitBinary makes the upload the content of its object, in place of the one
	// before, if the tenant's binaries have at most quota bytes then: else
	// TooLarge. length is what the chunks must add up to.
	CommitBinary(ctx context.Context, tenant TenantID, upload ID, length, quota int64) error
	// AbortBinary forgets an upload that is not complete; none is no error.
	AbortBinary(ctx context.Context, tenant TenantID, upload ID) error

	Binary(ctx context.Context, tenant TenantID, object ID) (Binary, error)
	// BinaryChunk is NotFound when a newer content has taken the place of upload.
	BinaryChunk(ctx context.Context, tenant TenantID, upload ID, number int) ([]byte, error)
	// DeleteBinary is NotFound if the object has none.
	DeleteBinary(ctx context.Context, tenant TenantID, object ID) error

	// Binaries lists what all tenants have, complete or not, from before a time,
	// in the order of numbers, at most MaxPageSize after the number given: for who
	// looks for what nobody needs any more.
	Binaries(ctx context.Context, before time.Time, after ID) ([]StoredBinary, error)
}

// StoredBinary is an upload as the store has it.
type StoredBinary struct {
	Tenant TenantID
	Upload
	Complete bool
}
