package binary_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
	"time"

	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
	"mooring/server/binary"
	"mooring/server/platform"
	"mooring/server/sqlstore"
)

const tenant platform.TenantID = "t1"

func open(t testing.TB, c binary.Config) (*binary.Service, *sqlstore.Store) {
	t.Helper()
	store, err := sqlstore.OpenSQLite(t.Context(), durabletest.Dir(t), sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	for _, id := range []platform.TenantID{tenant, "t2"} {
		check(t, store.CreateTenant(t.Context(), platform.Tenant{ID: id}, platform.User{}))
	}
	c.Store, c.IDs = store, store
	return binary.New(c), store
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// file is n bytes that repeat nowhere.
func file(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

func TestStore(t *testing.T) {
	s, _ := open(t, binary.Config{})
	const chunk = platform.MaxBinaryChunk
	for i, n := range []int{0, 1, chunk - 1, chunk, chunk + 1, 2*chunk - 1, 2 * chunk, 2*chunk + 1} {
		object, want := platform.ID(1000+i), file(n)
		b, err := s.Store(t.Context(), tenant, object, iotest.HalfReader(bytes.NewReader(want)))
		check(t, err)
		c, err := s.Open(t.Context(), tenant, object)
		check(t, err)
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, want) || c.Length != int64(n) || b.Length != int64(n) || c.ETag() == "" {
			t.Errorf("%d bytes: got %d of %d, %v", n, len(got), c.Length, err)
		}
		check(t, iotest.TestReader(must(s.Open(t.Context(), tenant, object))(t), want))
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func TestReplaceAndDelete(t *testing.T) {
	s, _ := open(t, binary.Config{})
	ctx := t.Context()
	_, err := s.Store(ctx, tenant, 7, bytes.NewReader([]byte("first")))
	check(t, err)
	old := must(s.Open(ctx, tenant, 7))(t)
	_, err = s.Store(ctx, tenant, 7, iotest.ErrReader(errors.New("gone")))
	wantKind(t, err, problem.Invalid)
	if got, err := io.ReadAll(must(s.Open(ctx, tenant, 7))(t)); string(got) != "first" || err != nil {
		t.Errorf("after an upload that failed: %q, %v", got, err)
	}
	_, err = s.Store(ctx, tenant, 7, bytes.NewReader([]byte("second")))
	check(t, err)
	next := must(s.Open(ctx, tenant, 7))(t)
	if got, err := io.ReadAll(next); string(got) != "second" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if next.ETag() == old.ETag() {
		t.Errorf("both are %s", old.ETag())
	}
	_, err = io.ReadAll(old) // not the bytes of another content
	wantKind(t, err, problem.NotFound)

	_, err = s.Open(ctx, "t2", 7)
	wantKind(t, err, problem.NotFound)
	wantKind(t, s.Delete(ctx, "t2", 7), problem.NotFound)
	check(t, s.Delete(ctx, tenant, 7))
	wantKind(t, s.Delete(ctx, tenant, 7), problem.NotFound)
	_, err = s.Open(ctx, tenant, 7)
	wantKind(t, err, problem.NotFound)
}

// cut ends as a body of net/http does whose sender went away: with an error
// once, and with io.EOF from then on.
type cut struct {
	r    io.Reader
	told bool
}

func (c *cut) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err == io.EOF && !c.told {
		c.told = true
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestCutShort(t *testing.T) {
	s, _ := open(t, binary.Config{})
	for _, n := range []int{0, 5, platform.MaxBinaryChunk, platform.MaxBinaryChunk + 5} {
		_, err := s.Store(t.Context(), tenant, 7, &cut{r: bytes.NewReader(file(n))})
		wantKind(t, err, problem.Invalid)
		_, err = s.Open(t.Context(), tenant, 7)
		wantKind(t, err, problem.NotFound)
	}
}

func TestBounds(t *testing.T) {
	s, _ := open(t, binary.Config{MaxBytes: 10, Quota: 25})
	put := func(object platform.ID, n int) error {
		_, err := s.Store(t.Context(), tenant, object, bytes.NewReader(file(n)))
		return err
	}
	check(t, put(1, 9))
	check(t, put(1, 10)) // in place of it
	wantKind(t, put(1, 11), problem.TooLarge)
	check(t, put(2, 10))
	wantKind(t, put(3, 6), problem.TooLarge)
	check(t, put(3, 4))
	check(t, put(3, 5))
	check(t, put(3, 5))
	wantKind(t, put(4, 1), problem.TooLarge)
	check(t, put(4, 0))
	if _, err := s.Store(t.Context(), "t2", 1, bytes.NewReader(file(10))); err != nil {
		t.Errorf("the quota of another tenant counts: %v", err)
	}
	check(t, s.Delete(t.Context(), tenant, 2))
	check(t, put(4, 10))
}

func TestSweep(t *testing.T) {
	now := time.UnixMilli(1e12)
	s, store := open(t, binary.Config{Now: func() time.Time { return now }})
	ctx := t.Context()
	for _, object := range []platform.ID{1, 2} {
		_, err := s.Store(ctx, tenant, object, bytes.NewReader([]byte("x")))
		check(t, err)
	}
	check(t, store.BeginBinary(ctx, tenant, platform.Upload{Number: 900, Object: 3, At: now}))
	check(t, store.AppendBinary(ctx, tenant, 900, 0, []byte("left over")))
	needed := func(_ context.Context, who platform.TenantID, object platform.ID) (bool, error) {
		return who == tenant && object == 1, nil
	}
	check(t, s.Sweep(ctx, needed))
	if _, err := s.Open(ctx, tenant, 2); err != nil {
		t.Errorf("swept before its time: %v", err)
	}
	now = now.Add(7 * time.Hour)
	check(t, s.Sweep(ctx, needed))
	if _, err := s.Open(ctx, tenant, 1); err != nil {
		t.Error(err)
	}
	_, err := s.Open(ctx, tenant, 2)
	wantKind(t, err, problem.NotFound)
	wantKind(t, store.AppendBinary(ctx, tenant, 900, 1, []byte("more")), problem.NotFound)
}

// held is a body that does not come.
type held struct{ release chan struct{} }

func (h held) Read([]byte) (int, error) {
	<-h.release
	return 0, io.EOF
}

func TestUploadsAtOnce(t *testing.T) {
	s, _ := open(t, binary.Config{})
	release := make(chan struct{})
	results := make(chan error, binary.MaxUploads)
	begun := func(r io.Reader) error {
		_, err := s.Store(context.Background(), tenant, 7, r)
		return err
	}
	for i := range binary.MaxUploads {
		started := make(chan struct{})
		go func() {
			_, err := s.Store(context.Background(), tenant, platform.ID(100+i), io.MultiReader(signal{started}, held{release}))
			results <- err
		}()
		<-started
		if i == binary.MaxUploads-2 {
			check(t, begun(bytes.NewReader(nil))) // n-1 are under way
		}
	}
	wantKind(t, begun(bytes.NewReader(nil)), problem.Unavailable)
	close(release)
	for range binary.MaxUploads {
		check(t, <-results)
	}
	check(t, begun(bytes.NewReader(nil)))
}

// signal tells that somebody reads, and is empty.
type signal struct{ started chan struct{} }

func (s signal) Read([]byte) (int, error) {
	close(s.started)
	return 0, io.EOF
}
