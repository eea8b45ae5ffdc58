package durabletest

import "syscall"

// room is what must be free in memory: containers often have 64 MB there.
const room = 1 << 30

// inMemory names a file system in memory with enough room; empty: there is none.
func inMemory() string {
	const shm = "/dev/shm"
	var s syscall.Statfs_t
	if err := syscall.Statfs(shm, &s); err != nil || uint64(s.Bavail)*uint64(s.Bsize) < room {
		return ""
	}
	return shm
}
