package pkcs11key

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"mooring/hsm/pkcs11key/wire"
	"mooring/internal/problem"
)

// maxURIBytes bounds a URI.
const maxURIBytes = 4096

// Location says which token, which of its keys, and how to get there.
type Location struct {
	Token    wire.Target // Module is empty if ModuleName is given
	Object   string      // CKA_LABEL that keys must have; empty: any
	ObjectID []byte      // CKA_ID that keys must have; nil: any

	ModuleName string // as in module-name: softhsm2 is libsofthsm2.so
	PINSource  string // file:/path, /path or credential:NAME; empty: no PIN
	Helper     string // path of mooring-pkcs11; empty: it is looked for
}

// ParseURI reads a PKCS#11 URI (RFC 7512 §2.3), as in
//
//	pkcs11:token=device?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/mooring/pin
//
// Besides what the RFC has it knows pin-source=credential:NAME, a systemd
// credential, and x-mooring-helper=/path. What it does not know is refused,
// since leaving it out would select more than is meant. The URI is never
// repeated in errors, because it may hold a PIN.
func ParseURI(uri string) (Location, error) {
	var l Location
	scheme, rest, found := strings.Cut(uri, ":")
	if !found || !strings.EqualFold(scheme, "pkcs11") || len(uri) > maxURIBytes {
		return l, refuse("a PKCS#11 URI begins with pkcs11: and has at most 4096 bytes")
	}
	path, query, _ := strings.Cut(rest, "?")
	seen := map[string]bool{}
	for _, part := range []struct {
		text, separator string
		set             func(*Location, string, string) error
	}{{path, ";", (*Location).setPath}, {query, "&", (*Location).setQuery}} {
		if part.text == "" {
			continue
		}
		for attribute := range strings.SplitSeq(part.text, part.separator) {
			name, coded, found := strings.Cut(attribute, "=")
			if !found || name == "" {
				return Location{}, refuse("the attributes of a pkcs11: URI have the form name=value, in the path with ; and after ? with & between them")
			}
			value, err := url.PathUnescape(coded)
			if err != nil {
				return Location{}, refuse("the value of " + strconv.Quote(name) + " in the pkcs11: URI has a wrong % sign")
			}
			if seen[name] {
				return Location{}, refuse("the pkcs11: URI names " + strconv.Quote(name) + " twice")
			}
			seen[name] = true
			if err := part.set(&l, name, value); err != nil {
				return Location{}, err
			}
		}
	}
	return l, nil
}

func (l *Location) setPath(name, value string) error {
	switch name {
	case "token":
		l.Token.Label = value
	case "serial":
		l.Token.Serial = value
	case "manufacturer":
		l.Token.Manufacturer = value
	case "model":
		l.Token.Model = value
	case "slot-id":
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return refuse("slot-id in a pkcs11: URI is a decimal number")
		}
		slot := uint(n)
		l.Token.SlotID = &slot
	case "object":
		l.Object = value
	case "id":
		if value == "" {
			return refuse("id in a pkcs11: URI is empty")
		}
		l.ObjectID = []byte(value)
	case "type":
		if value != "private" && value != "public" && value != "secret-key" {
			return refuse("type in a pkcs11: URI is private, public or secret-key here")
		}
	case "pin-value", "pin-source", "module-path", "module-name":
		if name == "pin-value" {
			return refusePIN()
		}
		return refuse(name + " stands after the ? of a pkcs11: URI")
	default:
		return refuse("this program does not know " + strconv.Quote(name) + " in the path of a pkcs11: URI")
	}
	return nil
}

func (l *Location) setQuery(name, value string) error {
	switch name {
	case "module-path":
		if !filepath.IsAbs(value) {
			return refuse("module-path in a pkcs11: URI is an absolute path")
		}
		l.Token.Module = filepath.Clean(value)
	case "module-name":
		if value == "" || strings.ContainsAny(value, "/\x00") {
			return refuse("module-name in a pkcs11: URI is the name of a library, without lib and .so, and not a path")
		}
		l.ModuleName = value
	case "pin-source":
		if _, _, err := splitPINSource(value); err != nil {
			return err
		}
		l.PINSource = value
	case "pin-value":
		return refusePIN()
	case "x-mooring-helper":
		if !filepath.IsAbs(value) {
			return refuse("x-mooring-helper in a pkcs11: URI is an absolute path")
		}
		l.Helper = filepath.Clean(value)
	default:
		return refuse("this program does not know " + strconv.Quote(name) + " after the ? of a pkcs11: URI")
	}
	return nil
}

// describe names the token for people.
func (l Location) describe() string {
	var parts []string
	for _, p := range []struct{ name, value string }{{"token", l.Token.Label}, {"serial", l.Token.Serial},
		{"manufacturer", l.Token.Manufacturer}, {"model", l.Token.Model}} {
		if p.value != "" {
			parts = append(parts, p.name+"="+p.value)
		}
	}
	if l.Token.SlotID != nil {
		parts = append(parts, fmt.Sprintf("slot-id=%d", *l.Token.SlotID))
	}
	return "pkcs11:" + strings.Join(parts, ";")
}

func refusePIN() error {
	return refuse("a PIN does not stand in a pkcs11: URI (pin-value), where others read it; write it to a file and use pin-source=file:/path")
}

func refuse(detail string) error { return problem.New(problem.Unprocessable, detail, nil) }
