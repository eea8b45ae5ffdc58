package main

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestProgramRanges(t *testing.T) {
	mapping := func(heading, anonymous string) string {
		return heading + "\nSize:               3900 kB\nRss:                3772 kB\nAnonymous:          " + anonymous + " kB\nVmFlags: rd ex mr\n"
	}
	const program = "/usr/bin/mooring-agent"
	tests := []struct {
		name, heading, anonymous string
		want                     []addresses
	}{
		{"code", "00400000-007cf000 r-xp 00000000 fe:00 10331941      " + program, "0", []addresses{{0x400000, 0x7cf000}}},
		{"constants", "007cf000-00bcf000 r--p 003cf000 fe:00 10331941      " + program, "0", []addresses{{0x7cf000, 0xbcf000}}},
		{"with a breakpoint", "00400000-007cf000 r-xp 00000000 fe:00 10331941      " + program, "4", nil},
		{"variables", "00bcf000-00c22000 rw-p 007cf000 fe:00 10331941      " + program, "0", nil},
		{"shared", "00400000-007cf000 r-xs 00000000 fe:00 10331941      " + program, "0", nil},
		{"another file", "00400000-007cf000 r-xp 00000000 fe:00 10331941      /opt" + program, "0", nil},
		{"no file", "7f4000-7f5000 r--p 00000000 00:00 0", "0", nil},
		{"of the kernel", "ffffffffff600000-ffffffffff601000 r-xp 00000000 00:00 0 [vsyscall]", "0", nil},
		{"no addresses", "zz-yy r-xp 00000000 fe:00 10331941      " + program, "0", nil},
		{"nothing between", "00400000-00400000 r-xp 00000000 fe:00 10331941      " + program, "0", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			after := mapping("7f6b79078000-7f6b790d8000 ---p 00000000 00:00 0", "0")
			if got := programRanges(mapping(tt.heading, tt.anonymous)+after, program); !slices.Equal(got, tt.want) {
				t.Errorf("programRanges = %x, want %x", got, tt.want)
			}
		})
	}
	renamed := mapping("00400000-007cf000 r-xp 00000000 fe:00 1 "+program+" (deleted)", "0")
	if got := programRanges(renamed, program+" (deleted)"); len(got) != 1 {
		t.Errorf("of a program that was replaced: %x, want one range", got)
	}
}

// The program goes on, with less of it in memory.
func TestUnmapProgram(t *testing.T) {
	mapProgram(t)
	before, all := residentOfFiles(t), resident()
	unmapProgram()
	after := residentOfFiles(t)
	if after > before/2 {
		t.Errorf("%d kB of files in memory, %d before", after, before)
	}
	if gone := all - resident(); gone < (before-after)*1024/2 {
		t.Errorf("the process has %d bytes less, its files %d kB", gone, before-after)
	}
}

// mapProgram maps all of the program.
func mapProgram(t *testing.T) {
	t.Helper()
	const populateRead = 22 // MADV_POPULATE_READ, Linux 5.14
	program, err1 := os.Readlink("/proc/self/exe")
	smaps, err2 := os.ReadFile("/proc/self/smaps")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	ranges := programRanges(string(smaps), program)
	if len(ranges) == 0 {
		t.Fatalf("nothing of %s in\n%s", program, smaps)
	}
	for _, r := range ranges {
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, r.start, r.end-r.start, populateRead); errno != 0 {
			t.Fatalf("populate %x: %v", r, errno)
		}
	}
}

func residentOfFiles(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "RssFile:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no RssFile in /proc/self/status")
	return 0
}
