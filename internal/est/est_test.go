package est_test

import (
	"strings"
	"testing"
	"time"

	"mooring/internal/est"
)

func TestParsePath(t *testing.T) {
	long := strings.Repeat("t", est.MaxLabelBytes)
	tests := []struct {
		in, label, op string
		ok            bool
	}{
		{in: "/.well-known/est/simpleenroll", op: est.OpEnrol, ok: true},
		{in: "/.well-known/est/simplereenroll", op: est.OpReEnrol, ok: true},
		{in: "/.well-known/est/cacerts", op: est.OpCACerts, ok: true},
		{in: "/.well-known/est/csrattrs", op: est.OpCSRAttrs, ok: true},
		{in: "/.well-known/est/t1000/cacerts", label: "t1000", op: est.OpCACerts, ok: true},
		{in: "/.well-known/est/" + long + "/cacerts", label: long, op: est.OpCACerts, ok: true},
		{in: "/.well-known/est/" + long + "t/cacerts"},
		{in: "/.well-known/est/cacerts/cacerts"},
		{in: "/.well-known/est/t1000/other"},
		{in: "/.well-known/est/t1000/cacerts/x"},
		{in: "/.well-known/est/t1000/cacerts/"},
		{in: "/.well-known/est//cacerts"},
		{in: "/.well-known/est/cacerts/"},
		{in: "/.well-known/est/other"},
		{in: "/.well-known/est/"},
		{in: "/.well-known/est"},
		{in: "/.well-known/est/SimpleEnroll"},
		{in: ""},
	}
	for _, tt := range tests {
		label, op, ok := est.ParsePath(tt.in)
		if ok != tt.ok || ok && (label != tt.label || op != tt.op) {
			t.Errorf("%q: %q, %q, %v, want %q, %q, %v", tt.in, label, op, ok, tt.label, tt.op, tt.ok)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 6, 8, 49, 37, 0, time.UTC)
	tests := []struct {
		in   string
		want time.Duration
		ok   bool
	}{
		{in: "120", want: 2 * time.Minute, ok: true},
		{in: " 5 ", want: 5 * time.Second, ok: true},
		{in: "0", want: 0, ok: true},
		{in: "604800", want: est.MaxRetryAfter, ok: true},
		{in: "604799", want: est.MaxRetryAfter - time.Second, ok: true},
		{in: "604801", want: est.MaxRetryAfter, ok: true},
		{in: "4294967295", want: est.MaxRetryAfter, ok: true},
		{in: "4294967296"},
		{in: "-1"},
		{in: "1.5"},
		{in: "soon"},
		{in: ""},
		{in: "Fri, 06 Nov 2026 08:49:47 GMT", want: 10 * time.Second, ok: true},
		{in: "Friday, 06-Nov-26 08:49:47 GMT", want: 10 * time.Second, ok: true},
		{in: "Fri Nov  6 08:49:47 2026", want: 10 * time.Second, ok: true},
		{in: "Fri, 06 Nov 2026 08:49:27 GMT", want: 0, ok: true},
		{in: "Wed, 06 Nov 2126 08:49:27 GMT", want: est.MaxRetryAfter, ok: true},
		{in: "Fri, 06 Nov 2026 08:49:47 CET"},
	}
	for _, tt := range tests {
		got, ok := est.RetryAfter(tt.in, now)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%q: %v, %v, want %v, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}
