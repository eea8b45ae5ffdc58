package telemetry

import "syscall"

// statfs counts as df does: what is kept for root is not used.
func statfs(path string) (disk, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return disk{}, err
	}
	size := uint64(s.Bsize)
	return disk{total: s.Blocks * size, free: s.Bfree * size}, nil
}
