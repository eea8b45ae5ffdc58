package pkcs11key_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"mooring/hsm/pkcs11key"
	"mooring/internal/problem"
)

var uris = map[string]string{
	"pkcs11:?module-path=/m.so":                     "|||||||",
	"PKCS11:token=a%20b;serial=1?module-path=/x/..": "a b|1|||||/|",
	"pkcs11:manufacturer=m;model=n;slot-id=7;object=o;id=%01%ff;type=private?module-name=softhsm2": "||m|n|7|o|01ff|softhsm2",
	"pkcs11:token=x?module-path=/m.so&pin-source=file:/pin":                                        "x",
	"pkcs11:token=x?module-path=/m.so&pin-source=/pin":                                             "x",
	"pkcs11:token=x?module-path=/m.so&pin-source=credential:pin":                                   "x",
	"pkcs11:token=x?module-path=/m.so&x-mooring-helper=/h":                                         "x",
	"": "bad", "pkcs11": "bad", "file:/x": "bad", "pkcs11:token": "bad", "pkcs11:=x": "bad", "pkcs11:token=%zz": "bad", "pkcs11:token=x;token=y": "bad",
	"pkcs11:token=x?pin-value=1234": "bad", "pkcs11:token=x;pin-value=1234": "bad", "pkcs11:x-y=z": "bad", "pkcs11:library-version=3": "bad",
	"pkcs11:?x-y=z": "bad", "pkcs11:slot-id=a": "bad", "pkcs11:slot-id=-1": "bad", "pkcs11:slot-id=4294967296": "bad", "pkcs11:id=": "bad", "pkcs11:type=cert": "bad",
	"pkcs11:module-path=/m": "bad", "pkcs11:?module-path=m.so": "bad", "pkcs11:?module-name=../m": "bad", "pkcs11:?module-name=": "bad",
	"pkcs11:?pin-source=|sh": "bad", "pkcs11:?pin-source=file:pin": "bad", "pkcs11:?pin-source=file://host/pin": "bad", "pkcs11:?pin-source=credential:../x": "bad",
	"pkcs11:?pin-source=credential:": "bad", "pkcs11:?x-mooring-helper=h": "bad", "pkcs11:token=x;?module-path=/m": "bad",
}

func TestParseURI(t *testing.T) {
	for uri, want := range uris {
		l, err := pkcs11key.ParseURI(uri)
		if (err != nil) != (want == "bad") || err != nil && !errors.Is(err, problem.Unprocessable) {
			t.Errorf("%s: %v", uri, err)
		}
		if err != nil {
			if strings.Contains(err.Error(), "1234") {
				t.Errorf("%s: the error tells the PIN: %v", uri, err)
			}
			continue
		}
		if first, _, _ := strings.Cut(want, "|"); l.Token.Label != first {
			t.Errorf("%s: token %q", uri, l.Token.Label)
		}
	}
	l, err := pkcs11key.ParseURI("pkcs11:manufacturer=m;model=n;slot-id=7;serial=s;object=o;id=%01%ff;type=private?module-name=softhsm2&pin-source=/p&x-mooring-helper=/h")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(l.Token.Manufacturer, l.Token.Model, *l.Token.SlotID, l.Token.Serial, l.Object, l.ObjectID, l.ModuleName, l.PINSource, l.Helper)
	if want := "mn7soo[1 255]softhsm2/p/h"; strings.ReplaceAll(got, " ", "") != strings.ReplaceAll("m n 7 s o [1 255] softhsm2 /p /h", " ", "") {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := pkcs11key.ParseURI("pkcs11:token=" + strings.Repeat("x", 4096-13)); err != nil {
		t.Errorf("4096 bytes: %v", err)
	}
	if _, err := pkcs11key.ParseURI("pkcs11:token=" + strings.Repeat("x", 4097-13)); err == nil {
		t.Error("4097 bytes were taken")
	}
	if _, err := pkcs11key.Open(pkcs11key.Location{}); !errors.Is(err, problem.Unprocessable) {
		t.Errorf("without a module: %v", err)
	}
}

func FuzzParseURI(f *testing.F) {
	for uri := range uris {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if _, err := pkcs11key.ParseURI(uri); err != nil && !errors.Is(err, problem.Unprocessable) {
			t.Error(err)
		}
	})
}
