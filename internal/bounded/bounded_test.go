package bounded_test

import (
	"testing"
	"unicode/utf8"

	"mooring/internal/bounded"
)

func TestText(t *testing.T) {
	for _, tt := range []struct {
		in   string
		max  int
		want string
	}{
		{"", 0, ""}, {"abc", 4, "abc"}, {"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 0, ""},
		{"aé", 3, "aé"}, {"aé", 2, "a"}, {"aé", 1, "a"}, {"€", 2, ""}, {"\xa0\xa0", 1, ""},
	} {
		if got := bounded.Text(tt.in, tt.max); got != tt.want {
			t.Errorf("%q, %d: got %q, want %q", tt.in, tt.max, got, tt.want)
		}
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{"": "", "a\r\nb": "a  b", "\x1b[31m\x7f": " [31m ", "é€": "é€", "a\xff": "a\uFFFD"} {
		if got := bounded.OneLine(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("aé€", 3)
	f.Fuzz(func(t *testing.T, s string, maxBytes int) {
		if maxBytes < 0 || !utf8.ValidString(s) {
			return
		}
		if got := bounded.Text(s, maxBytes); len(got) > maxBytes || !utf8.ValidString(got) || s[:len(got)] != got || len(s)-len(got) > 3 && maxBytes-len(got) > 3 {
			t.Errorf("%q, %d: got %q", s, maxBytes, got)
		}
	})
}
