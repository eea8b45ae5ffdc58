package dial_test

import (
	"slices"
	"strings"
	"testing"

	"mooring/agent/dial"
)

func TestExcept(t *testing.T) {
	tests := []struct {
		except string
		yes    []string
		no     []string
	}{
		{"", nil, []string{"example.com:443", "127.0.0.1:1"}},
		{"*", []string{"example.com:443", "[::1]:1"}, nil},
		{"example.com", []string{"example.com:443", "EXAMPLE.com.:1", "t1.example.com:443"}, []string{"badexample.com:443", "example.com.evil.org:1"}},
		{".example.com", []string{"t1.example.com:443"}, []string{"example.com:443"}},
		{"*.example.com", []string{"t1.example.com:443"}, []string{"example.com:443"}},
		{"example.com:8883", []string{"t1.example.com:8883"}, []string{"example.com:443"}},
		{"10.0.0.0/8", []string{"10.255.0.1:1", "[::ffff:10.1.1.1]:1"}, []string{"11.0.0.0:1", "10.example.com:1"}},
		{"192.0.2.7", []string{"192.0.2.7:1"}, []string{"192.0.2.8:1"}},
		{"192.0.2.7:8883", []string{"192.0.2.7:8883"}, []string{"192.0.2.7:443"}},
		{"2001:db8::/32", []string{"[2001:db8::1]:443"}, []string{"[2001:db9::1]:443"}},
		{"[fe80::1]:443", []string{"[fe80::1%eth0]:443"}, []string{"[fe80::1]:444"}},
	}
	for _, tt := range tests {
		p, err := dial.ParseProxy("http://p")
		if tt.except != "" && err == nil {
			p, err = p.Except([]string{tt.except})
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, addr := range slices.Concat(tt.yes, tt.no) {
			if got := p.Bypassed(addr); got != slices.Contains(tt.yes, addr) {
				t.Errorf("except %q, %s: got %t", tt.except, addr, got)
			}
		}
	}
	p, _ := dial.ParseProxy("http://p")
	for _, bad := range []string{"", ".", "a/b", "10.0.0.0/33", "a*b", "a:b:c", "a b"} {
		if _, err := p.Except([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for n, want := range map[int]bool{255: true, 256: true, 257: false} {
		if _, err := p.Except(slices.Repeat([]string{"x"}, n)); (err == nil) != want {
			t.Errorf("%d exceptions: %v", n, err)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	tests := []struct {
		name   string
		env    string
		want   string
		direct string // reached without it
	}{
		{"nothing", "", "", ""},
		{"capitals", "HTTPS_PROXY=http://a:1 https_proxy=http://b:1 ALL_PROXY=http://c:1", "http://a:1", "localhost:1"},
		{"small letters", "https_proxy=b:1", "http://b:1", "127.0.0.9:1"},
		{"for all", "ALL_PROXY=socks5h://c:1 NO_PROXY=x", "socks5://c:1", "[::1]:1"},
		{"exceptions", "all_proxy=http://u:s3cr3t@c:1 no_proxy=,/bad/,.example.com,10.0.0.0/8", "http://c:1", "a.example.com:443"},
		{"plain HTTP alone", "HTTP_PROXY=http://a:1", "", ""},
	}
	for _, tt := range tests {
		env := map[string]string{}
		for pair := range strings.FieldsSeq(tt.env) {
			k, v, _ := strings.Cut(pair, "=")
			env[k] = v
		}
		p, err := dial.FromEnvironment(func(k string) string { return env[k] })
		if err != nil {
			t.Fatal(err)
		}
		if p == nil {
			if tt.want != "" {
				t.Errorf("%s: no proxy", tt.name)
			}
			continue
		}
		if p.String() != tt.want || !p.Bypassed(tt.direct) || p.Bypassed("example.org:443") || p.HasCredentials() != strings.Contains(tt.env, "@") {
			t.Errorf("%s: got %v from %s", tt.name, p, p.Source())
		}
	}
	_, err := dial.FromEnvironment(func(string) string { return "gopher://u:s3cr3t@x" })
	if err == nil || strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(err.Error(), "HTTPS_PROXY") {
		t.Errorf("got %v", err)
	}
}
