package doctor

import (
	"fmt"
	"syscall"
)

const (
	// fullDisk is less than what one renewal writes; lowDisk is a warning long
	// before.
	fullDisk, lowDisk   = 1 << 20, 16 << 20
	fullFiles, lowFiles = 16, 256
)

// Disk is the file system of a directory.
type Disk struct {
	Free     uint64 // bytes for this user
	Files    uint64 // that may still be made; 0 if nobody counts them
	Counted  bool   // Files is counted
	ReadOnly bool
	InMemory bool
}

// Of linux/magic.h, and of the flags of statfs(2).
const (
	tmpfsMagic = 0x01021994
	ramfsMagic = 0x858458f6
	readOnly   = 1
)

func diskOf(dir string) (Disk, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return Disk{}, err
	}
	kind := uint32(s.Type)
	return Disk{Free: s.Bavail * uint64(s.Bsize), Files: s.Ffree, Counted: s.Files != 0, ReadOnly: s.Flags&readOnly != 0,
		InMemory: kind == tmpfsMagic || kind == ramfsMagic}, nil
}

func (e *exam) disk() {
	d, err := e.o.Disk(e.cfg.State)
	if err != nil {
		e.fail("disk", "M010", err)
		return
	}
	if d.InMemory {
		e.find("disk", "M013", e.cfg.State)
	}
	left := fmt.Sprintf("%d KiB", d.Free>>10)
	if d.Counted {
		left += fmt.Sprintf(" and %d files", d.Files)
	}
	left += " left"
	switch {
	case d.ReadOnly:
		e.find("disk", "M022", e.cfg.State)
	case d.Free < fullDisk, d.Counted && d.Files < fullFiles:
		e.find("disk", "M020", left)
	case d.Free < lowDisk, d.Counted && d.Files < lowFiles:
		e.find("disk", "M021", left)
	default:
		e.ok("disk", "%s", left)
	}
}
