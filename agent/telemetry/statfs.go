package telemetry

import "syscall"

func statfs(path string) (disk, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return disk{}, err
	}
	size := uint64(s.Bsize)
	return disk{total: s.Blocks * size, free: s.Bavail * size}, nil
}
