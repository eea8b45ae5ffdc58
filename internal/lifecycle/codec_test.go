package lifecycle_test

import (
	"errors"
	"testing"
	"time"

	lc "mooring/internal/lifecycle"
	"mooring/internal/problem"
)

func TestEncodedSize(t *testing.T) {
	if n := len(lc.New(1, lc.Policy{}).Encode()); n != lc.EncodedSize || n > 512 {
		t.Errorf("got %d bytes, want %d, at most 512", n, lc.EncodedSize)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := candidate(t).s.Encode()
	for n := range len(good) {
		if _, err := lc.Decode(good[:n]); !errors.Is(err, problem.Invalid) {
			t.Fatalf("%d of %d bytes: got %v", n, len(good), err)
		}
	}
	if _, err := lc.Decode(append(good[:len(good):len(good)], 0)); !errors.Is(err, problem.Invalid) {
		t.Errorf("one byte more: got %v", err)
	}
	for i := range len(good) * 8 {
		bad := append([]byte(nil), good...)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := lc.Decode(bad); !errors.Is(err, problem.Invalid) {
			t.Fatalf("bit %d flipped: got %v", i, err)
		}
	}
}

func TestDecodeRefusesImpossible(t *testing.T) {
	tests := []struct {
		name string
		edit func(*lc.State)
	}{
		{"phase", func(s *lc.State) { s.Phase = 6 }},
		{"task", func(s *lc.State) { s.Task = 7 }},
		{"auth", func(s *lc.State) { s.Auth = 6 }},
		{"rung", func(s *lc.State) { s.Rung = 5 }},
		{"refused rungs", func(s *lc.State) { s.Spurned = 32 }},
		{"maintenance without days", func(s *lc.State) { s.Policy.Maintenance[3] = lc.MaintenanceWindow{Start: 1, Length: 1} }},
		{"maintenance of more than a day", func(s *lc.State) { s.Policy.Maintenance[0] = lc.MaintenanceWindow{Days: 1, Length: 1441} }},
		{"number above the highest", func(s *lc.State) { s.Next.Number = s.Highest + 1 }},
		{"next is current", func(s *lc.State) { s.Next.Number = s.Current.Number }},
		{"key of a later generation", func(s *lc.State) { s.Current.Key = 2 }},
		{"highest", func(s *lc.State) { s.Highest = lc.MaxNumber + 1 }},
		{"negative spacing", func(s *lc.State) { s.Policy.MinSpacing = -1e6 }},
		{"spacing of more than ten years", func(s *lc.State) { s.Policy.MinSpacing = 10*year + time.Second }},
		{"window without width", func(s *lc.State) { s.Window = lc.Window{Start: 5, End: 5} }},
		{"window before all time", func(s *lc.State) { s.Window = lc.Window{Start: -5, End: 5} }},
		{"fraction", func(s *lc.State) { s.Policy.RenewLeftPermille = 1001 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := candidate(t).s
			tt.edit(&s)
			if _, err := lc.Decode(s.Encode()); !errors.Is(err, problem.Invalid) {
				t.Errorf("got %v, want %v", err, problem.Invalid)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(lc.New(1, lc.Policy{}).Encode())
	f.Add(candidate(&testing.T{}).s.Encode())
	f.Add([]byte("MLC\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := lc.Decode(b)
		if err != nil {
			return
		}
		if string(s.Encode()) != string(b) {
			t.Error("encoding what was decoded gives other bytes")
		}
		for k := lc.Booted; k <= lc.ChainFound; k++ { // a hostile state must not crash a step
			lc.Step(s, lc.Event{Kind: k, Generation: s.Next.Number}, start)
		}
	})
}
