package helper

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// groupCheck is how often it is looked whether a process group is over.
	groupCheck = time.Second
	// maxRounds bounds the search for processes of a program that starts others
	// all the time.
	maxRounds = 20
)

// leftovers are process groups whose programs ended and left others in them.
type leftovers struct {
	groups atomic.Int32
	over   chan struct{} // closed when nobody watches any more
}

func newLeftovers() *leftovers { return &leftovers{over: make(chan struct{})} }

// watch stops what is left of a group at end. The kernel gives its number to
// nobody else before it is empty. Services are out of its reach: they have
// groups of their own.
func (s *Server) watch(program string, group int, end time.Time) {
	s.left.groups.Add(1)
	go func() {
		defer s.left.groups.Add(-1)
		for alive(group) {
			if !time.Now().Before(end) {
				s.log.Warn("stopped what a program left in the background", "program", program)
				_ = syscall.Kill(-group, syscall.SIGKILL) // it may be over by now
				return
			}
			select {
			case <-time.After(min(groupCheck, time.Until(end))):
			case <-s.left.over:
				return
			}
		}
	}()
}

// alive reports whether a process group has members.
func alive(group int) bool { return group > 0 && syscall.Kill(-group, 0) != syscall.ESRCH }

// killTree kills a process, its group and what descends from it, in whatever
// group. They are halted first, because the children of the dead cannot be told
// from others.
func killTree(pid int) error {
	halted := map[int]bool{}
	for range maxRounds {
		before := len(halted)
		for _, p := range append(descendants(pid), pid) {
			if !halted[p] {
				halted[p] = true
				_ = syscall.Kill(p, syscall.SIGSTOP) // it may be over by now
			}
		}
		if len(halted) == before {
			break
		}
	}
	for p := range halted {
		_ = syscall.Kill(p, syscall.SIGKILL) // it may be over by now
	}
	return syscall.Kill(-pid, syscall.SIGKILL)
}

// descendants lists the children of a process and theirs (proc_pid_stat(5)).
func descendants(pid int) (list []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := map[int][]int{}
	for _, e := range entries {
		p, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, _ := os.ReadFile("/proc/" + e.Name() + "/stat") // empty: it is over
		state := string(stat[bytes.LastIndexByte(stat, ')')+1:])
		if words := strings.Fields(state); len(words) > 1 {
			parent, _ := strconv.Atoi(words[1]) // the kernel's
			children[parent] = append(children[parent], p)
		}
	}
	for next := []int{pid}; len(next) > 0; next = next[1:] {
		next = append(next, children[next[0]]...)
		list = append(list, children[next[0]]...)
	}
	return list
}
