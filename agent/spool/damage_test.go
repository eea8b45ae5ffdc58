package spool_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
)

// rewrite changes the bytes of a file.
func rewrite(t *testing.T, disk *durabletest.FS, path string, edit func([]byte) []byte) {
	t.Helper()
	data, err := disk.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(disk, path, edit(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is before the damage stays, what is in later segments too, the damaged
// file is kept aside, and it is said once.
func TestDamage(t *testing.T) {
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 0x40; return b }
	}
	zerosTo := func(size int) func([]byte) []byte {
		return func(b []byte) []byte { return append(b, make([]byte, size-len(b))...) }
	}
	begun := func(length uint32) func([]byte) []byte { // a record that is cut off
		return func(b []byte) []byte { return append(binary.BigEndian.AppendUint32(b, length), "12345"...) }
	}
	tests := []struct {
		name     string
		edit     func([]byte) []byte
		left     int // of the five messages of the first segment
		damaged  int
		setAside bool
	}{
		{"nothing", func(b []byte) []byte { return b }, 5, 0, false},
		{"first record", flip(9), 0, 1, true},
		{"length too large", flip(0), 0, 1, true},
		{"payload of the second message", flip(15000), 1, 1, true},
		{"payload of the last message", flip(49000), 4, 0, false}, // as if it was never written
		{"cut off", func(b []byte) []byte { return b[:len(b)-1] }, 4, 0, false},
		{"cut off in a length", func(b []byte) []byte { return b[:10040] }, 1, 0, false},
		{"zeros at the end", func(b []byte) []byte { return append(b[:len(b)-100], make([]byte, 4096)...) }, 4, 0, false},
		{"zeros until it is as long as can be", zerosTo(114_752), 5, 0, false},
		{"longer by a byte", zerosTo(114_753), 0, 1, true},
		{"the longest record, cut off", begun(16_416), 5, 0, false},
		{"a longer one", begun(16_417), 5, 1, true},
		{"zeros in the middle", func(b []byte) []byte { clear(b[12000:20000]); return b }, 1, 1, true},
		{"empty", func(b []byte) []byte { return nil }, 0, 0, false},
		{"foreign", func(b []byte) []byte { return []byte(strings.Repeat("what is this? ", 100)) }, 0, 1, true},
		{"foreign and long", func(b []byte) []byte { return make([]byte, 1<<20) }, 0, 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			disk := durabletest.New()
			s := open(t, disk, nil)
			var all []string
			for i := range 7 {
				all = append(all, strings.Repeat(string(rune('a'+i)), 10000))
				put(t, s, all[i])
			}
			_ = s.Close()
			rewrite(t, disk, dir+"/0000000000000001.spool", tt.edit)
			for start := range 2 {
				s = open(t, disk, nil)
				if n := s.Stats().Damaged; n != tt.damaged*(1-start) {
					t.Errorf("start %d: damaged %d, want %d once", start, n, tt.damaged)
				}
				same(t, "left", drain(t, s, start == 1), append(append([]string(nil), all[:tt.left]...), all[5:]...))
				_ = s.Close()
			}
			if _, err := disk.Lstat(dir + "/damaged"); (err == nil) != tt.setAside {
				t.Errorf("set aside: %v, want %v", err, tt.setAside)
			}
			s = open(t, disk, nil)
			put(t, s, "next")
			same(t, "afterwards", drain(t, s, true), []string{"next"})
		})
	}
}

// FuzzSegment opens whatever is in a file: no panic, and what is read in is
// bounded by it.
func FuzzSegment(f *testing.F) {
	disk := durabletest.New()
	s := open(f, disk, nil)
	put(f, s, "200,c8y_Temperature,T,21.5,C")
	put(f, s, "")
	s.Done(1)
	_ = s.Close()
	good, err := disk.ReadFile(dir + "/0000000000000001.spool")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(append(append([]byte(nil), good...), good...))
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x00M"))
	f.Fuzz(func(t *testing.T, data []byte) {
		disk := durabletest.New()
		if err := durable.MkdirAll(disk, dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := durable.WriteFile(disk, dir+"/0000000000000001.spool", data, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, disk, nil)
		bytes := 0
		for _, p := range drain(t, s, true) {
			bytes += len(p)
		}
		if bytes > len(data) {
			t.Fatalf("%d bytes of payload from %d", bytes, len(data))
		}
		if put(t, s, "goes on"); drain(t, s, true)[0] != "goes on" {
			t.Fatal("it does not go on")
		}
	})
}
