package main

import (
	"net/url"
	"strings"
	"testing"

	"mooring/agent/config"
)

func TestRegistrationLink(t *testing.T) {
	c := config.Default()
	c.Server, c.DeviceID = "t1000.example.com", "a&b"
	for _, tt := range []struct {
		server string
		port   int
		want   string
	}{
		{"t1000.example.com", 443, "https://t1000.example.com/apps/"},
		{"t1000.example.com", 9443, "https://t1000.example.com:9443/apps/"},
		{"2001:db8::1", 443, "https://[2001:db8::1]/apps/"},
		{"2001:db8::1", 9443, "https://[2001:db8::1]:9443/apps/"},
	} {
		c.Server, c.HTTPSPort = tt.server, tt.port
		otp := randomOTP()
		link := registrationLink(c, otp)
		u, err := url.Parse(link)
		if err != nil || !strings.HasPrefix(link, tt.want) || u.EscapedFragment() != "/deviceregistration?externalId=a%26b&one-time-password="+otp.Reveal() {
			t.Errorf("got %s, %v; want %s…", link, err, tt.want)
		}
	}
}

func TestRandomOTP(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		otp := randomOTP().Reveal()
		if len(otp) != otpLength || strings.Trim(otp, otpAlphabet) != "" || seen[otp] {
			t.Fatalf("got %q", otp)
		}
		seen[otp] = true
	}
}

// TestBlocks reads the drawing back.
func TestBlocks(t *testing.T) {
	code := encodeQR("https://t1000.example.com/apps/devicemanagement/index.html#/deviceregistration?externalId=dev1")
	light := map[rune][2]bool{'█': {true, true}, '▀': {true, false}, '▄': {false, true}, ' ': {false, false}}
	lines := strings.Split(strings.TrimSuffix(blocks(code), "\n"), "\n")
	if len(lines) != (code.Size+2*quiet+1)/2 {
		t.Fatalf("%d lines of a code of %d modules", len(lines), code.Size)
	}
	for row, line := range lines {
		runes := []rune(line)
		if len(runes) != code.Size+2*quiet {
			t.Fatalf("line %d has %d columns", row, len(runes))
		}
		for column, r := range runes {
			for half, isLight := range light[r] {
				x, y := column-quiet, 2*row+half-quiet
				if y < code.Size+quiet && isLight == code.Black(x, y) {
					t.Fatalf("module %d, %d is drawn wrong", x, y)
				}
			}
		}
	}
}

func TestLongLinkHasNoCode(t *testing.T) {
	if encodeQR(strings.Repeat("x", 2953)) == nil { // ISO/IEC 18004, version 40-L
		t.Error("2,953 bytes fit")
	}
	if encodeQR(strings.Repeat("x", 2954)) != nil {
		t.Error("2,954 bytes do not fit")
	}
}
