// Package est is the codec of EST (RFC 7030): paths, media types and bodies as
// they stand in requests and answers. It does no I/O; the HTTP client is in
// estclient, the handler at the server.
//
// Bodies are read by what they hold, never by their headers, because real
// clients leave out Content-Transfer-Encoding or get it wrong (RFC 8951 §3.1).
// Bodies are written in the one form that every measured client accepts
// (contract est-interop.md §2).
package est

import (
	"strconv"
	"strings"
	"time"
)

// Media types and the transfer encoding. The space in CertsOnlyType is wanted
// by libest.
const (
	CertsOnlyType    = "application/pkcs7-mime; smime-type=certs-only"
	PKCS10Type       = "application/pkcs10"
	CSRAttrsType     = "application/csrattrs"
	TransferEncoding = "base64"
)

// AttestationPath is where a device asks for the challenge that its attestation
// answers: a call of ours.
const AttestationPath = "/mooring/attestation"

// PathPrefix is where EST lives on a host (RFC 7030 §3.2.2).
const PathPrefix = "/.well-known/est/"

// Operations by their path segment (RFC 7030 §3.2.2).
const (
	OpCACerts      = "cacerts"
	OpEnrol        = "simpleenroll"
	OpReEnrol      = "simplereenroll"
	OpFullCMC      = "fullcmc"
	OpServerKeyGen = "serverkeygen"
	OpCSRAttrs     = "csrattrs"
)

// MaxLabelBytes bounds the label of a path; tenant IDs are shorter.
const MaxLabelBytes = 64

// MaxRetryAfter caps what a server may ask a client to wait, so that one bad
// answer cannot silence a device for months.
const MaxRetryAfter = 7 * 24 * time.Hour

func isOp(s string) bool {
	switch s {
	case OpCACerts, OpEnrol, OpReEnrol, OpFullCMC, OpServerKeyGen, OpCSRAttrs:
		return true
	}
	return false
}

// ParsePath splits the path of an EST request, "/.well-known/est/[label/]op".
// It is not ok if the operation is none of RFC 7030 or if the label is empty,
// too long or the name of an operation.
func ParsePath(p string) (label, op string, ok bool) {
	rest, ok := strings.CutPrefix(p, PathPrefix)
	if !ok {
		return "", "", false
	}
	label, op, labelled := strings.Cut(rest, "/")
	if !labelled {
		return "", label, isOp(label)
	}
	if label == "" || len(label) > MaxLabelBytes || isOp(label) || !isOp(op) {
		return "", "", false
	}
	return label, op, true
}

// httpDates are the three forms of HTTP-date (RFC 9110 §5.6.7).
var httpDates = []string{
	"Mon, 02 Jan 2006 15:04:05 GMT",
	"Monday, 02-Jan-06 15:04:05 GMT",
	time.ANSIC,
}

// RetryAfter reads the header Retry-After: whole seconds or an HTTP-date, which
// is compared with now. The result is between zero and MaxRetryAfter; it is not
// ok if the header is neither.
func RetryAfter(header string, now time.Time) (wait time.Duration, ok bool) {
	header = strings.TrimSpace(header)
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, MaxRetryAfter), true
	}
	for _, layout := range httpDates {
		if at, err := time.Parse(layout, header); err == nil {
			return min(max(at.Sub(now), 0), MaxRetryAfter), true
		}
	}
	return 0, false
}
