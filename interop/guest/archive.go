package guest

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// archive is what an initramfs is made of: cpio in the form "newc" (the
// kernel's Documentation/driver-api/early-userspace/buffer-format.rst).
type archive struct {
	out  bytes.Buffer
	made []string // folders that are there
	node int
}

// Types of a file in its mode (cpio(5)).
const (
	typeFolder    = 0o040000
	typeFile      = 0o100000
	typeCharacter = 0o020000
)

// add puts a file of the host at a path of the guest.
func (a *archive) add(at, from string, mode int) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	a.text(at, text, mode)
	return nil
}

func (a *archive) text(at string, text []byte, mode int) {
	a.folders(path.Dir(at))
	a.entry(at, typeFile|mode, text, 0, 0)
}

// console is what the kernel gives the first process to write to.
func (a *archive) console() {
	const major, minor = 5, 1
	a.folders("/dev")
	a.entry("/dev/console", typeCharacter|0o600, nil, major, minor)
}

func (a *archive) folders(dir string) {
	if dir == "/" || slices.Contains(a.made, dir) {
		return
	}
	a.folders(path.Dir(dir))
	a.made = append(a.made, dir)
	a.entry(dir, typeFolder|0o755, nil, 0, 0)
}

func (a *archive) entry(at string, mode int, text []byte, major, minor int) {
	a.node++
	name := strings.TrimPrefix(at, "/") + "\x00"
	const uid, gid, links, mtime, check = 0, 0, 1, 0, 0
	a.out.WriteString("070701")
	for _, field := range []int{a.node, mode, uid, gid, links, mtime, len(text), 0, 0, major, minor, len(name), check} {
		fmt.Fprintf(&a.out, "%08X", field)
	}
	a.out.WriteString(name)
	a.pad()
	a.out.Write(text)
	a.pad()
}

// pad fills up to four bytes.
func (a *archive) pad() {
	for a.out.Len()%4 != 0 {
		a.out.WriteByte(0)
	}
}

// bytes ends the archive.
func (a *archive) bytes() []byte {
	a.entry("TRAILER!!!", 0, nil, 0, 0)
	return a.out.Bytes()
}
