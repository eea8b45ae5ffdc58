package sqlstore

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"mooring/internal/problem"
	"mooring/server/platform"
)

func TestPositional(t *testing.T) {
	tests := []struct{ in, want string }{
		{"SELECT 1", "SELECT 1"},
		{"a = $1 AND b = $2", "a = ? AND b = ?"},
		{"VALUES ($1, $2, $3)", "VALUES (?, ?, ?)"},
		{"a = $1 OR b = $1", "a = $1 OR b = $1"},
		{"a = $2 OR b = $1", "a = $2 OR b = $1"},
		{"$1$2$3$4$5$6$7$8$9$10$11", "???????????"},
		{"$1$2$3$4$5$6$7$8$9$1", "$1$2$3$4$5$6$7$8$9$1"},
		{"$10", "$10"},
	}
	for _, tt := range tests {
		if got := positional(tt.in); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestQueueCut(t *testing.T) {
	tests := []struct {
		name                  string
		sizes                 []int
		maxCommands, maxBytes int
		want                  []int // lengths of the batches
	}{
		{"commands n-1", []int{1, 1}, 3, 100, []int{2}},
		{"commands n", []int{1, 1, 1}, 3, 100, []int{3}},
		{"commands n+1", []int{1, 1, 1, 1}, 3, 100, []int{3, 1}},
		{"bytes n-1", []int{4, 5}, 9, 10, []int{2}},
		{"bytes n", []int{5, 5}, 9, 10, []int{2}},
		{"bytes n+1", []int{5, 6}, 9, 10, []int{1, 1}},
		{"one that is too large goes alone", []int{1, 99, 1}, 9, 10, []int{1, 1, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := newQueue(100, 1000)
			for _, size := range tt.sizes {
				if err := q.put(&command{size: size}); err != nil {
					t.Fatal(err)
				}
			}
			q.close()
			for i, want := range append(tt.want, 0) {
				if got := q.take(tt.maxCommands, tt.maxBytes); len(got) != want {
					t.Errorf("batch %d: got %d commands, want %d", i, len(got), want)
				}
			}
			if q.bytes != 0 {
				t.Errorf("got %d bytes in an empty queue", q.bytes)
			}
			if err := q.put(&command{}); problem.KindOf(err) != problem.Unavailable {
				t.Errorf("got %v after close, want unavailable", err)
			}
		})
	}
}

func TestRow(t *testing.T) {
	r := row{values: []any{int64(7), "text", []byte{1}, true, int64(0), nil, nil, nil, []byte{}, int64(1500)}}
	if r.int() != 7 || r.text() != "text" || len(r.bytes()) != 1 || !r.bool() || r.bool() || r.int() != 0 || r.text() != "" ||
		r.bytes() != nil || r.bytes() != nil || !r.time().Equal(time.UnixMilli(1500)) || r.err != nil {
		t.Errorf("got a wrong value or %v", r.err)
	}
	for name, read := range map[string]func(*row){
		"int": func(r *row) { r.int() }, "text": func(r *row) { r.text() }, "bytes": func(r *row) { r.bytes() },
		"bool": func(r *row) { r.bool() }, "hash": func(r *row) { r.hash() },
	} {
		for _, wrong := range []row{{values: []any{1.5}}, {}} {
			if read(&wrong); wrong.err == nil {
				t.Errorf("%s reads %v without an error", name, wrong.values)
			}
		}
	}
	for n, want := range map[int]bool{0: true, 31: false, 32: true, 33: false} {
		r := row{values: []any{make([]byte, n)}}
		if r.hash(); (r.err == nil) != want {
			t.Errorf("hash of %d bytes: got error %v", n, r.err)
		}
	}
}

// The zero time is kept as what it is, and comes back as it.
func TestZeroTime(t *testing.T) {
	args, err := bind([]any{time.Time{}})
	if err != nil {
		t.Fatal(err)
	}
	r := row{values: args}
	if got := r.time(); !got.IsZero() {
		t.Errorf("got %v", got)
	}
	if _, err := bind([]any{1.5}); err == nil {
		t.Error("bound a float")
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"", "plain", "a\x00b", "\xff\x00\xfe", "日本\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if !utf8.ValidString(got) || strings.Contains(got, "\x00") {
			t.Errorf("%q became %q", s, got)
		}
		if _, err := bind([]any{s}); err == nil && got != s {
			t.Errorf("%q could be kept and became %q", s, got)
		}
		if _, err := bind([]any{got}); err != nil {
			t.Errorf("%q became %q, which cannot be kept", s, got)
		}
	})
}

func FuzzFragments(f *testing.F) {
	for _, seed := range []string{``, `{}`, `[]`, `{"a":{"b":1}}`, `{"a":null,"a":{"c":1}}`, `{"a":[{"b":1}]}`, "\xff{", `{"a":{"b":1}} x`} {
		f.Add([]byte(seed), "a", "b")
	}
	f.Fuzz(func(t *testing.T, body []byte, fragment, series string) {
		one, whole := platform.TelemetryFilter{Fragment: fragment, Series: series}, platform.TelemetryFilter{Fragment: fragment}
		if hasFragment(body, &one) && !hasFragment(body, &whole) {
			t.Errorf("%q has series %q in fragment %q, but not the fragment", body, series, fragment)
		}
		rest, err := patched(body, nil, []string{fragment})
		if err == nil && len(rest) > 0 && json.Valid(body) && utf8.ValidString(fragment) && hasFragment(rest, &whole) {
			t.Errorf("%q without %q is %q", body, fragment, rest)
		}
	})
}

// Strangers choose the names under which refusals are kept, so their number
// has a bound: a tenant's newest stay.
func TestRefusalsOfATenantAreBounded(t *testing.T) {
	s, err := OpenSQLite(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.CreateTenant(t.Context(), platform.Tenant{ID: "t1", Created: time.UnixMilli(1)}, platform.User{}); err != nil {
		t.Fatal(err)
	}
	fill := func(tenant, n int) {
		err := s.identity.do(t.Context(), func(tx *session) error {
			return tx.run(`INSERT INTO refusals (tenant, cn, at, door, address, reason, detail, leaf_subject, leaf_issuer, leaf_serial,
				leaf_fingerprint, leaf_not_before, leaf_not_after)
				WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < $2)
				SELECT $1, 'cn' || n, n, '', '', '', '', '', '', '', x'', 0, 0 FROM c`, tenant, n)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	fill(1, 10)
	fill(2, maxRefusals-1)
	total := func(id platform.TenantID) int64 {
		l, err := s.Refusals(t.Context(), id, "", platform.Page{Number: 1, Size: 1, WithTotal: true})
		if err != nil {
			t.Fatal(err)
		}
		return l.Total
	}
	for _, want := range []int64{maxRefusals, maxRefusals} { // n-1 and n before, n and n+1 then
		if err := s.SaveRefusals(t.Context(), []platform.Refusal{{Tenant: "t1", CN: "last"}}, 20); err != nil {
			t.Fatal(err)
		}
		if got := total("t1"); got != want {
			t.Errorf("got %d refusals, want %d", got, want)
		}
	}
	if got := total(platform.Management); got != 10 {
		t.Errorf("got %d refusals of another tenant, want 10", got)
	}
	l, err := s.Refusals(t.Context(), "t1", "last", platform.Page{Number: 1, Size: 5})
	if err != nil || len(l.Items) != 2 {
		t.Errorf("got %d of the newest, %v, want 2", len(l.Items), err)
	}
}
