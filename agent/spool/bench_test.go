package spool_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"mooring/agent/spool"
	"mooring/internal/durable"
)

// BenchmarkPut is one message of 100 bytes at a time on a real disk, delivered
// at once; bytes written are those of the process (/proc/self/io write_bytes:
// whole pages that reach the file system).
func BenchmarkPut(b *testing.B) {
	s, err := spool.Open(spool.Config{FS: durable.OS, Dir: b.TempDir() + "/spool", MaxBytes: 8 << 20,
		Now: func() (time.Time, bool) { return time.Now(), true }})
	if err != nil {
		b.Fatal(err)
	}
	payload := []byte(strings.Repeat("x", 100))
	before := written(b)
	for b.Loop() {
		seq, err := s.Put(spool.Message{Topic: "s/us", Payload: payload, QoS: 1})
		if err != nil {
			b.Fatal(err)
		}
		s.Done(seq)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(written(b)-before)/float64(b.N), "disk-B/op")
}

func written(b *testing.B) int {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip("no /proc/self/io: ", err)
	}
	_, rest, _ := strings.Cut(string(text), "\nwrite_bytes: ")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return n
}
