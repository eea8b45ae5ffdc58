package deviceid_test

import (
	"errors"
	"strings"
	"testing"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
)

func TestParseClientID(t *testing.T) {
	long := strings.Repeat("x", deviceid.MaxIDBytes)
	tests := []struct {
		name    string
		in      string
		want    deviceid.ClientID
		wantErr error
	}{
		{name: "bare", in: "mySerial", want: deviceid.ClientID{Device: "mySerial"}},
		{name: "typed", in: "d:mySerial", want: deviceid.ClientID{Type: "d", Device: "mySerial"}},
		{name: "with template", in: "d:mySerial:myDevice_10", want: deviceid.ClientID{Type: "d", Device: "mySerial", Template: "myDevice_10"}},
		{name: "named d", in: "d", want: deviceid.ClientID{Device: "d"}},
		{name: "longest device", in: long, want: deviceid.ClientID{Device: long}},
		{name: "one byte too long", in: long + "x", wantErr: problem.Invalid},
		{name: "longest of all", in: "d:" + long + ":" + long, want: deviceid.ClientID{Type: "d", Device: long, Template: long}},
		{name: "template too long", in: "d:" + long + ":" + long + "x", wantErr: problem.Invalid},
		{name: "long template, short device", in: "d:x:" + long + "x", wantErr: problem.Invalid},
		{name: "empty", in: "", wantErr: problem.Invalid},
		{name: "old two parts", in: "1234:myDevice_10", wantErr: problem.Invalid},
		{name: "capital type", in: "D:x", wantErr: problem.Invalid},
		{name: "no device", in: "d:", wantErr: problem.Invalid},
		{name: "no device but template", in: "d::t", wantErr: problem.Invalid},
		{name: "four parts", in: "d:a:b:c", wantErr: problem.Invalid},
		{name: "control character", in: "a\nb", wantErr: problem.Invalid},
		{name: "not UTF-8", in: "a\xff", wantErr: problem.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := deviceid.ParseClientID(tt.in)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestValidExternalID(t *testing.T) {
	tests := []struct {
		name    string
		in      string
		wantErr error
	}{
		{name: "plain", in: "device-001"},
		{name: "punctuation thin-edge allows", in: "a'=(),-.?%*_!@"},
		{name: "longest", in: strings.Repeat("x", 254)},
		{name: "too long", in: strings.Repeat("x", 255), wantErr: problem.Unprocessable},
		{name: "empty", in: "", wantErr: problem.Unprocessable},
		{name: "space", in: "a b", wantErr: problem.Unprocessable},
		{name: "no-break space", in: "a\u00a0b", wantErr: problem.Unprocessable},
		{name: "tab", in: "a\tb", wantErr: problem.Unprocessable},
		{name: "NUL", in: "a\x00b", wantErr: problem.Unprocessable},
		{name: "slash", in: "a/b", wantErr: problem.Unprocessable},
		{name: "plus", in: "a+b", wantErr: problem.Unprocessable},
		{name: "hash", in: "a#b", wantErr: problem.Unprocessable},
		{name: "dollar", in: "$a", wantErr: problem.Unprocessable},
		{name: "colon", in: "a:b", wantErr: problem.Unprocessable},
		{name: "not UTF-8", in: "\xff", wantErr: problem.Unprocessable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := deviceid.ValidExternalID(tt.in); !errors.Is(err, tt.wantErr) {
				t.Errorf("error = %v, want %v", err, tt.wantErr)
			}
		})
	}
}

func TestParseTenantUser(t *testing.T) {
	tests := []struct {
		name, in     string
		tenant, user string
		wantErr      error
	}{
		{name: "both", in: "t1000/admin", tenant: "t1000", user: "admin"},
		{name: "device user", in: "t1000/device_a/b", tenant: "t1000", user: "device_a/b"},
		{name: "no slash", in: "admin", wantErr: problem.Invalid},
		{name: "no user", in: "t1000/", wantErr: problem.Invalid},
		{name: "no tenant", in: "/admin", wantErr: problem.Invalid},
		{name: "longest", in: "t/" + strings.Repeat("x", deviceid.MaxUserNameBytes-2), tenant: "t", user: strings.Repeat("x", deviceid.MaxUserNameBytes-2)},
		{name: "too long", in: "t/" + strings.Repeat("x", deviceid.MaxUserNameBytes-1), wantErr: problem.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tenant, user, err := deviceid.ParseTenantUser(tt.in)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if tenant != tt.tenant || user != tt.user {
				t.Errorf("got %q, %q, want %q, %q", tenant, user, tt.tenant, tt.user)
			}
		})
	}
	if tenant, user := deviceid.ParseUserName("device-1"); tenant != "" || user != "device-1" {
		t.Errorf("ParseUserName without slash = %q, %q", tenant, user)
	}
	if id, ok := deviceid.DeviceOfUser(deviceid.DeviceUser("x")); id != "x" || !ok {
		t.Errorf("DeviceOfUser(DeviceUser(x)) = %q, %v", id, ok)
	}
	for _, user := range []string{"admin", "device_", "Device_x"} {
		if _, ok := deviceid.DeviceOfUser(user); ok {
			t.Errorf("%q counts as device user", user)
		}
	}
}
