package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestFlood logs at the bound of what is logged of one message in a minute.
func TestFlood(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		records int
		after   time.Duration // of one more
		lines   int
		last    string
	}{
		{"one fewer", maxAlike - 1, time.Second, maxAlike, "msg=alike"},
		{"as many as fit", maxAlike, time.Second, maxAlike, "msg=alike"},
		{"one more", maxAlike + 1, time.Minute, maxAlike + 1, "msg=alike left_out=1"},
		{"a flood, within the minute", 5000, time.Minute - 1, maxAlike, "msg=alike"},
		{"a flood, a minute later", 5000, time.Minute, maxAlike + 1, "msg=alike left_out=4900"},
		{"the clock is set back", 5000, -time.Hour, maxAlike + 1, "msg=alike left_out=4900"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			h := newDampened(slog.NewTextHandler(&out, nil)).WithAttrs([]slog.Attr{slog.String("a", "b")})
			level := slog.LevelWarn
			log := func(message string, at time.Time) {
				if err := h.Handle(context.Background(), slog.NewRecord(at, level, message, 0)); err != nil {
					t.Fatal(err)
				}
			}
			for range tt.records {
				log("alike", begin)
			}
			log("alike", begin.Add(tt.after))
			lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(out.String(), " a=b", "")), "\n")
			if len(lines) != tt.lines || !strings.HasSuffix(lines[len(lines)-1], tt.last) {
				t.Errorf("%d lines, the last %q; want %d and %q", len(lines), lines[len(lines)-1], tt.lines, tt.last)
			}
			out.Reset()
			log("another", begin)
			if out.Len() == 0 {
				t.Error("another message is not logged")
			}
			out.Reset()
			level = slog.LevelInfo
			for range 2 * maxAlike {
				log("informed", begin)
			}
			if n := strings.Count(out.String(), "\n"); n != 2*maxAlike {
				t.Errorf("%d lines that are no warnings, want %d", n, 2*maxAlike)
			}
		})
	}
}
