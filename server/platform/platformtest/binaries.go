package platformtest

import (
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

var binaryChecks = []check{
	{"binaries", (*fixture).binaries},
	{"binary bounds", (*fixture).binaryBounds},
	{"binaries of other tenants", (*fixture).binaryTenancy},
	{"list of binaries", (*fixture).binaryList},
}

// upload stores chunks as the content of object.
func (f *fixture) upload(tenant platform.TenantID, object platform.ID, at time.Time, chunks ...string) platform.ID {
	f.Helper()
	u := platform.Upload{Number: f.newID(), Object: object, At: at}
	f.must(f.BeginBinary(f.Context(), tenant, u))
	length := int64(0)
	for i, c := range chunks {
		f.must(f.AppendBinary(f.Context(), tenant, u.Number, i, []byte(c)))
		length += int64(len(c))
	}
	f.must(f.CommitBinary(f.Context(), tenant, u.Number, length, 1<<40))
	return u.Number
}

func (f *fixture) binaries() {
	f.tenants()
	ctx := f.Context()
	first := f.upload(acme, 7, at(1), "abc", "d")
	equal(f, "binary", got[platform.Binary](f)(f.Binary(ctx, acme, 7)),
		platform.Binary{Upload: platform.Upload{Number: first, Object: 7, At: at(1)}, Length: 4})
	equal(f, "chunk", string(got[[]byte](f)(f.BinaryChunk(ctx, acme, first, 1))), "d")
	_, err := f.BinaryChunk(ctx, acme, first, 2)
	f.kind(err, problem.NotFound)
	// It cannot grow any more.
	f.kind(f.AppendBinary(ctx, acme, first, 2, []byte("x")), problem.NotFound)
	f.kind(f.CommitBinary(ctx, acme, first, 4, 100), problem.NotFound)
	f.must(f.AbortBinary(ctx, acme, first))

	// Nobody sees an upload under way; the next content takes the place at once.
	second := platform.Upload{Number: f.newID(), Object: 7, At: at(2)}
	f.must(f.BeginBinary(ctx, acme, second))
	f.must(f.AppendBinary(ctx, acme, second.Number, 0, []byte("xyz")))
	_, err = f.BinaryChunk(ctx, acme, second.Number, 0)
	f.kind(err, problem.NotFound)
	equal(f, "number", got[platform.Binary](f)(f.Binary(ctx, acme, 7)).Number, first)
	f.kind(f.CommitBinary(ctx, acme, second.Number, 4, 100), problem.Invalid)
	f.must(f.CommitBinary(ctx, acme, second.Number, 3, 100))
	equal(f, "number", got[platform.Binary](f)(f.Binary(ctx, acme, 7)).Number, second.Number)
	_, err = f.BinaryChunk(ctx, acme, first, 0)
	f.kind(err, problem.NotFound)

	aborted := platform.Upload{Number: f.newID(), Object: 7, At: at(3)}
	f.must(f.BeginBinary(ctx, acme, aborted))
	f.must(f.AbortBinary(ctx, acme, aborted.Number))
	f.kind(f.AppendBinary(ctx, acme, aborted.Number, 0, []byte("x")), problem.NotFound)
	f.must(f.DeleteBinary(ctx, acme, 7))
	f.kind(f.DeleteBinary(ctx, acme, 7), problem.NotFound)
	_, err = f.Binary(ctx, acme, 7)
	f.kind(err, problem.NotFound)
	equal(f, "empty", got[platform.Binary](f)(f.Binary(ctx, acme, 8+0*f.upload(acme, 8, at(4)))).Length, 0)
}

func (f *fixture) binaryBounds() {
	f.tenants()
	ctx := f.Context()
	u := platform.Upload{Number: f.newID(), Object: 7, At: at(1)}
	f.must(f.BeginBinary(ctx, acme, u))
	f.kind(f.AppendBinary(ctx, acme, u.Number, 0, nil), problem.Invalid)
	f.must(f.AppendBinary(ctx, acme, u.Number, 0, make([]byte, platform.MaxBinaryChunk-1)))
	f.must(f.AppendBinary(ctx, acme, u.Number, 1, make([]byte, platform.MaxBinaryChunk)))
	f.kind(f.AppendBinary(ctx, acme, u.Number, 2, make([]byte, platform.MaxBinaryChunk+1)), problem.Invalid)
	f.kind(f.AppendBinary(ctx, acme, u.Number, 1, []byte("again")), problem.Conflict)
	const length = 2*platform.MaxBinaryChunk - 1
	f.kind(f.CommitBinary(ctx, acme, u.Number, length, length-1), problem.TooLarge)
	f.must(f.CommitBinary(ctx, acme, u.Number, length, length))
	next := platform.Upload{Number: f.newID(), Object: 8, At: at(1)}
	f.must(f.BeginBinary(ctx, acme, next))
	f.must(f.AppendBinary(ctx, acme, next.Number, 0, []byte("x")))
	f.kind(f.CommitBinary(ctx, acme, next.Number, 1, length), problem.TooLarge)
	f.must(f.CommitBinary(ctx, acme, next.Number, 1, length+1))
}

func (f *fixture) binaryTenancy() {
	f.tenants()
	ctx := f.Context()
	number := f.upload(acme, 7, at(1), "secret")
	_, err := f.Binary(ctx, other, 7)
	f.kind(err, problem.NotFound)
	_, err = f.BinaryChunk(ctx, other, number, 0)
	f.kind(err, problem.NotFound)
	f.kind(f.DeleteBinary(ctx, other, 7), problem.NotFound)
	u := platform.Upload{Number: f.newID(), Object: 8, At: at(1)}
	f.must(f.BeginBinary(ctx, acme, u))
	f.kind(f.AppendBinary(ctx, other, u.Number, 0, []byte("x")), problem.NotFound)
	f.kind(f.CommitBinary(ctx, other, u.Number, 0, 100), problem.NotFound)
	f.must(f.AbortBinary(ctx, other, u.Number))
	f.must(f.AppendBinary(ctx, acme, u.Number, 0, []byte("x")))
	f.upload(other, 7, at(1), "theirs") // the same object number is another object
	equal(f, "length", got[platform.Binary](f)(f.Binary(ctx, acme, 7)).Length, 6)
}

func (f *fixture) binaryList() {
	f.tenants()
	ctx := f.Context()
	one := f.upload(acme, 7, at(1), "x")
	two := platform.Upload{Number: f.newID(), Object: 8, At: at(2)}
	f.must(f.BeginBinary(ctx, other, two))
	f.upload(acme, 9, at(3), "x")
	want := []platform.StoredBinary{{Tenant: acme, Upload: platform.Upload{Number: one, Object: 7, At: at(1)}, Complete: true}, {Tenant: other, Upload: two}}
	equal(f, "before", got[[]platform.StoredBinary](f)(f.Binaries(ctx, at(3), 0)), want)
	equal(f, "after", got[[]platform.StoredBinary](f)(f.Binaries(ctx, at(3), one)), want[1:])
	equal(f, "none", len(got[[]platform.StoredBinary](f)(f.Binaries(ctx, at(1), 0))), 0)
}
