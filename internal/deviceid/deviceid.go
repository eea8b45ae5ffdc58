// Package deviceid is the grammar of the names under which a device meets the
// platform: external IDs, MQTT client IDs, user names and topics (contract
// mqtt.md §1.4, §1.5, §2).
//
// The package knows spelling only. Whether a device exists or may use a topic
// is decided elsewhere.
package deviceid

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"mooring/internal/problem"
)

// Bounds of names. MaxIDBytes is what the platform stores of an external ID;
// a certificate's CN is shorter still (64, RFC 5280 appendix A). A client ID
// carries an ID, a template and two colons with the type.
const (
	MaxIDBytes       = 254
	MaxClientIDBytes = 2*MaxIDBytes + len("d::")
)

// forbidden are the characters refused in an external ID of a root device
// (rest.md §5.1; "#" because it is a wildcard in topics).
const forbidden = "/+#$:"

// ClientID is a parsed MQTT client ID, [ "d:" ] device [ ":" template ].
type ClientID struct {
	Type     string // "d" or empty: connection type not stated
	Device   string // becomes the c8y_Serial external ID
	Template string // default X-ID for s/ud and s/dd; needs the type
}

// ParseClientID reads a client ID. All errors are problem.Invalid; the MQTT
// answer to them is code 2, identifier rejected.
func ParseClientID(s string) (ClientID, error) {
	if s == "" {
		return ClientID{}, problem.New(problem.Invalid, "the client ID is empty", nil)
	}
	if len(s) > MaxClientIDBytes {
		return ClientID{}, problem.New(problem.Invalid, "the client ID is too long", nil)
	}
	parts := strings.Split(s, ":")
	id := ClientID{Device: parts[0]}
	if len(parts) > 1 {
		if parts[0] != "d" {
			return ClientID{}, problem.New(problem.Invalid, "a client ID of several parts starts with \"d:\"", nil)
		}
		id.Type, id.Device = "d", parts[1]
	}
	if len(parts) > 3 {
		return ClientID{}, problem.New(problem.Invalid, "the client ID has more than three parts", nil)
	}
	if len(parts) == 3 {
		id.Template = parts[2]
	}
	if err := checkTemplate(id.Template); err != nil {
		return ClientID{}, err
	}
	if err := checkDevice(id.Device); err != nil {
		return ClientID{}, err
	}
	return id, nil
}

// String writes the client ID in its shortest form.
func (c ClientID) String() string {
	switch {
	case c.Template != "":
		return "d:" + c.Device + ":" + c.Template
	case c.Type != "":
		return c.Type + ":" + c.Device
	}
	return c.Device
}

// checkDevice holds the device part of a client ID to what any ID must meet.
// It is milder than ValidExternalID, because devices that were registered
// elsewhere may have unusual characters.
func checkDevice(s string) error {
	if s == "" {
		return problem.New(problem.Invalid, "the client ID names no device", nil)
	}
	if len(s) > MaxIDBytes {
		return problem.New(problem.Invalid, "the ID of the device is longer than 254 bytes", nil)
	}
	return checkText(s)
}

func checkTemplate(s string) error {
	if len(s) > MaxIDBytes {
		return problem.New(problem.Invalid, "the ID of the template is longer than 254 bytes", nil)
	}
	return checkText(s)
}

// checkText refuses what could break a log line, a topic or a database.
func checkText(s string) error {
	if !utf8.ValidString(s) {
		return problem.New(problem.Invalid, "the ID is not UTF-8", nil)
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return problem.New(problem.Invalid, "the ID contains a control character", nil)
	}
	return nil
}

// ValidExternalID holds the ID of a device to be registered to the rule of
// rest.md §5.1. The error is problem.Unprocessable with the platform's text.
func ValidExternalID(s string) error {
	if s == "" {
		return problem.New(problem.Unprocessable, "Device id must not be empty.", nil)
	}
	if len(s) > MaxIDBytes {
		return problem.New(problem.Unprocessable, "Device id is longer than 254 bytes.", nil)
	}
	if !utf8.ValidString(s) {
		return problem.New(problem.Unprocessable, "Device id is not UTF-8.", nil)
	}
	for _, r := range s {
		switch {
		case unicode.IsControl(r) && !unicode.IsSpace(r):
			return problem.New(problem.Unprocessable, "Device id contains a control character which is not permitted.", nil)
		case unicode.IsSpace(r) || strings.ContainsRune(forbidden, r):
			return problem.New(problem.Unprocessable, "Device id '"+s+"' contains '"+string(r)+"' character which is not permitted.", nil)
		}
	}
	return nil
}
