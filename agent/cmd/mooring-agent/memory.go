package main

import (
	"context"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// heapGrowth is how far the heap grows between collections, in percent: memory
	// is short on devices, and the agent has so little to do that collections cost
	// nothing to speak of (measured: 1.7 MB less after an outage, the same time).
	heapGrowth = 25
	// The start is over by giveBackFirst. From then on memory is looked at every
	// giveBackCheck, and given back when giveBackGrown has been added to what was
	// left the last time; what the agent needs at rest comes back in its own time
	// and is less (2 MB).
	giveBackFirst = 5 * time.Second
	giveBackCheck = 30 * time.Second
	giveBackGrown = 3 << 20 // bytes
)

// spareMemory keeps the memory of the process low until ctx ends: what starting
// or a burst of work has taken goes back to the system.
func spareMemory(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	left := 0
	for wait := giveBackFirst; ; wait = giveBackCheck {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if resident() > left+giveBackGrown {
			debug.FreeOSMemory()
			unmapProgram()
			left = resident()
		}
	}
}

// resident is the memory of this process, in bytes; zero where there is no /proc.
func resident() int {
	text, _ := os.ReadFile("/proc/self/statm") // see proc_pid_statm(5); empty has no fields
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1]) // zero, as above
	return pages * os.Getpagesize()
}

// unmapProgram takes the pages of the program itself out of the process. They
// stay in the page cache, as what the kernel drops first when memory is short;
// what runs again is mapped again. Most of the program runs at the start alone.
func unmapProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return // no /proc: it only saves memory
	}
	smaps, _ := os.ReadFile("/proc/self/smaps") // as above; small kernels have none
	for _, r := range programRanges(string(smaps), program) {
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, r.start, r.end-r.start, syscall.MADV_DONTNEED) // as above
	}
}

// addresses is a part of the address space.
type addresses struct{ start, end uintptr }

// programRanges finds in smaps (proc_pid_smaps(5)) what is mapped of the file
// program and is just as in the file: neither writable nor, as by a relocation
// or the breakpoint of a debugger, written to.
//
//	00400000-007cf000 r-xp 00000000 fe:00 10331941      /usr/bin/mooring-agent
//	Rss:                3772 kB
//	Anonymous:             0 kB
func programRanges(smaps, program string) []addresses {
	var found []addresses
	var last addresses
	for line := range strings.Lines(smaps) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case !strings.HasSuffix(fields[0], ":"):
			last = addresses{}
			if len(fields) >= 6 && (fields[1] == "r-xp" || fields[1] == "r--p") && strings.HasSuffix(line, " "+program+"\n") {
				last = parseAddresses(fields[0])
			}
		case fields[0] == "Anonymous:" && len(fields) == 3 && fields[1] == "0" && last.end > last.start:
			found = append(found, last)
		}
	}
	return found
}

func parseAddresses(text string) addresses {
	from, to, _ := strings.Cut(text, "-")
	start, err1 := strconv.ParseUint(from, 16, strconv.IntSize)
	end, err2 := strconv.ParseUint(to, 16, strconv.IntSize)
	if err1 != nil || err2 != nil {
		return addresses{}
	}
	return addresses{uintptr(start), uintptr(end)}
}
