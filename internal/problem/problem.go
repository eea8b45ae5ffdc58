// Package problem is the one kind of error that crosses a layer when a peer
// must be told.
//
// An Error has a Kind, from which each front end derives its status in one
// table; a Code, the wire's own name for it ("inventory/Not Found"); a Detail,
// which is public; and a cause, which is only logged. Plain errors without a
// Kind are Internal, and their text is withheld from the peer.
package problem

import (
	"errors"
	"time"
)

// Kind is the class of a problem. Kinds are errors themselves, so that
// errors.Is(err, problem.NotFound) holds for every Error of that kind.
type Kind string

// The kinds. Internal is what an error without a kind counts as.
const (
	Invalid          Kind = "invalid"            // malformed input: 400
	Unprocessable    Kind = "unprocessable"      // well-formed input that breaks a rule: 422
	Unauthenticated  Kind = "unauthenticated"    // 401; says one thing, whatever the reason
	Forbidden        Kind = "forbidden"          // 403
	NotFound         Kind = "not found"          // 404
	MethodNotAllowed Kind = "method not allowed" // 405
	Conflict         Kind = "conflict"           // 409
	TooLarge         Kind = "too large"          // 413
	TooMany          Kind = "too many"           // 429; RetryAfter may be set
	Pending          Kind = "pending"            // 202; decided later, RetryAfter is set
	Unavailable      Kind = "unavailable"        // 503; temporary, try again
	Internal         Kind = "internal"           // 500; the text is withheld
)

// Kinds lists every kind, so that a front end can prove its table complete.
var Kinds = []Kind{Invalid, Unprocessable, Unauthenticated, Forbidden, NotFound, MethodNotAllowed,
	Conflict, TooLarge, TooMany, Pending, Unavailable, Internal}

// Error makes a Kind usable as a sentinel.
func (k Kind) Error() string { return string(k) }

// Error is a problem that can be told to a peer.
type Error struct {
	Kind       Kind
	Code       string        // the wire's name, "area/Name"; empty: the front end's default for Kind
	Detail     string        // public text
	RetryAfter time.Duration // for Pending, TooMany and Unavailable; zero: not stated
	Cause      error         // logged, never sent
}

// New returns a problem with a public detail. The cause may be nil.
func New(kind Kind, detail string, cause error) *Error {
	return &Error{Kind: kind, Detail: detail, Cause: cause}
}

// WithCode returns a problem that carries the wire's own code.
func WithCode(kind Kind, code, detail string, cause error) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail, Cause: cause}
}

// Error gives the detail followed by the cause. It is for logs: send Detail.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = string(e.Kind)
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is e's Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// KindOf returns the kind of the first problem in err's chain, Internal if
// there is none. KindOf(nil) is the empty Kind.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if k, ok := errors.AsType[Kind](err); ok {
		return k
	}
	return Internal
}

// RetryAfter returns how long err asks the peer to wait, zero if it does not.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
