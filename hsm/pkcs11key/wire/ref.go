package wire

import (
	"encoding/hex"
	"strings"
)

// MaxRef bounds a Ref in bytes. Cards keep labels of 80 bytes and more.
const MaxRef = 200

// maxIDBytes bounds CKA_ID. Ours have 8 bytes, certificates' hashes 20 or 32.
const maxIDBytes = 64

// RefOf names the key of a label and an ID:
//
//	ref = label "-" hex-of-ID    ; label: letters, digits, dots, underscores and hyphens
//
// The keys that are made here have the whole Ref as label.
func RefOf(label string, id []byte) string {
	suffix := "-" + hex.EncodeToString(id)
	if strings.HasSuffix(label, suffix) && validRef(label) {
		return label
	}
	safe := strings.Map(func(r rune) rune {
		if refRune(r) {
			return r
		}
		return '-'
	}, label)
	if safe = strings.TrimLeft(safe, ".-_"); safe == "" {
		safe = "key"
	}
	if room := MaxRef - len(suffix); len(safe) > room {
		safe = safe[:max(room, 0)]
	}
	return safe + suffix
}

// IDOf returns the ID in a Ref, false if it is none.
func IDOf(ref string) ([]byte, bool) {
	if !validRef(ref) {
		return nil, false
	}
	at := strings.LastIndexByte(ref, '-')
	if at < 0 {
		return nil, false
	}
	id, err := hex.DecodeString(ref[at+1:])
	return id, err == nil && len(id) > 0 && len(id) <= maxIDBytes && hex.EncodeToString(id) == ref[at+1:]
}

func validRef(ref string) bool {
	return ref != "" && len(ref) <= MaxRef && !strings.ContainsRune(".-_", rune(ref[0])) &&
		!strings.ContainsFunc(ref, func(r rune) bool { return !refRune(r) })
}

func refRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-'
}
