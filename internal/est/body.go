package est

import (
	"bytes"
	"encoding/base64"

	"mooring/internal/cms"
	"mooring/internal/pki"
	"mooring/internal/problem"
)

// MaxBodyBytes bounds a body in either direction (contract est-interop.md §2
// item 17).
const MaxBodyBytes = 64 << 10

// MaxSingleLine is the longest base64 text written on one line. Above it,
// lines have lineColumns characters: libest reads no longer line, and
// strongSwan before 5.9.11 no broken one.
const (
	MaxSingleLine = 1000
	lineColumns   = 64
)

const sequence = 0x30 // first byte of every DER body here; "0" starts no base64 of one

// DecodeRequest returns the DER of a request body. Accepted are DER, base64
// with any white space, and either in PEM armour.
//
// Errors: problem.TooLarge above MaxBodyBytes, problem.Invalid for anything
// that is not one of these forms.
func DecodeRequest(body []byte) ([]byte, error) {
	if len(body) > MaxBodyBytes {
		return nil, problem.New(problem.TooLarge, "the request is longer than 64 KiB", nil)
	}
	der, err := decode(body)
	if err != nil {
		return nil, problem.New(problem.Invalid, "the body is neither DER nor base64 of a certificate request", err)
	}
	return der, nil
}

// DecodeCertificates returns the certificates of an answer to an enrolment or
// to cacerts, in the order in which they stand there.
//
// Errors: problem.TooLarge above MaxBodyBytes, problem.Invalid for anything
// that is no certs-only object, with a detail of its own for HTML pages.
func DecodeCertificates(body []byte) (pki.Chain, error) {
	if len(body) > MaxBodyBytes {
		return nil, problem.New(problem.TooLarge, "the answer is longer than 64 KiB", nil)
	}
	if IsHTML(body) {
		return nil, problem.New(problem.Invalid, "the answer is an HTML page, so this address is no EST server or something stands in between", nil)
	}
	der, err := decode(body)
	if err != nil {
		return nil, problem.New(problem.Invalid, "the answer is neither DER nor base64 of certificates", err)
	}
	return cms.ParseCertsOnly(der)
}

// IsHTML reports whether body starts as an HTML page does, as proxies and login
// portals send it.
func IsHTML(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, "\ufeff \t\r\n"), []byte("<"))
}

// EncodeCertificates returns the body for a certs-only object in DER.
func EncodeCertificates(der []byte) []byte {
	if base64.StdEncoding.EncodedLen(len(der)) <= MaxSingleLine {
		return lines(der, MaxSingleLine)
	}
	return lines(der, lineColumns)
}

// EncodePKCS10Certificate returns the body for clients that accept only
// application/pkcs10: the DER of the bare certificate in base64, 64 columns
// (contract rest.md §1.3).
func EncodePKCS10Certificate(der []byte) []byte { return lines(der, lineColumns) }

// EncodeRequest returns the body for a request in DER: base64 in lines of 64
// columns, as the clients in the field write it.
func EncodeRequest(der []byte) []byte { return lines(der, lineColumns) }

// lines returns base64 broken after columns characters, each line with LF.
func lines(der []byte, columns int) []byte {
	text := base64.StdEncoding.AppendEncode(nil, der)
	out := make([]byte, 0, len(text)+len(text)/columns+1)
	for len(text) > 0 {
		n := min(columns, len(text))
		out = append(append(out, text[:n]...), '\n')
		text = text[n:]
	}
	return out
}

var (
	begin = []byte("-----BEGIN ")
	end   = []byte("-----END ")
	dash  = []byte("-----")
)

// decode takes DER, base64 or armoured base64 by what body holds.
func decode(body []byte) ([]byte, error) {
	if len(body) > 0 && body[0] == sequence {
		return body, nil
	}
	text := dropArmour(body)
	text = bytes.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\r', '\n':
			return -1
		}
		return r
	}, text)
	der, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return nil, err
	}
	if len(der) == 0 || der[0] != sequence {
		return nil, problem.New(problem.Invalid, "no ASN.1 sequence", nil)
	}
	return der, nil
}

// dropArmour returns what stands between a BEGIN and an END line, or all of
// body if there is no armour.
func dropArmour(body []byte) []byte {
	_, inner, found := bytes.Cut(body, begin)
	if !found {
		return body
	}
	_, inner, _ = bytes.Cut(inner, dash)
	inner, _, _ = bytes.Cut(inner, end)
	return inner
}
