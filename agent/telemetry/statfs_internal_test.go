package telemetry

import (
	"syscall"
	"testing"
)

// What is free is what df subtracts, blocks kept for root included.
func TestStatfs(t *testing.T) {
	dir := t.TempDir()
	got, err := statfs(dir)
	if err != nil {
		t.Fatal(err)
	}
	var want syscall.Statfs_t
	if err := syscall.Statfs(dir, &want); err != nil {
		t.Fatal(err)
	}
	const others = 1 << 30 // what other programs may write or remove meanwhile, in bytes
	free := want.Bfree * uint64(want.Bsize)
	if got.total != want.Blocks*uint64(want.Bsize) || max(got.free, free)-min(got.free, free) > others {
		t.Errorf("got %+v, want %d of %d free", got, free, want.Blocks*uint64(want.Bsize))
	}
}
