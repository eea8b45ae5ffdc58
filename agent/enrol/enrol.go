// Package enrol gets the first certificate of a device: it asks with an
// enrolment OTP and tells internal/lifecycle what came of it.
package enrol

import (
	"context"
	"crypto"
	"time"

	"mooring/internal/lifecycle"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/internal/secret"
)

// Server issues certificates; estclient.Client does.
type Server interface {
	// Enrol returns a chain for key, leaf first, that is verified to be key's
	// and externalID's.
	Enrol(ctx context.Context, key crypto.Signer, externalID string, otp secret.String) (pki.Chain, error)
}

// Outcome is what came of one request.
type Outcome struct {
	Event lifecycle.EventKind // Issued, Deferred, Refused or Failed
	Chain pki.Chain           // with Issued
	Err   error               // with the others
	// Final says that asking again does not help: a person must act.
	Final bool
}

// RetryAfter is what the server asked for, zero if nothing.
func (o Outcome) RetryAfter() time.Duration { return problem.RetryAfter(o.Err) }

// Request asks once.
func Request(ctx context.Context, s Server, key crypto.Signer, deviceID string, otp secret.String) Outcome {
	return Judge(s.Enrol(ctx, key, deviceID, otp))
}

// Judge sorts the answer to a request for a certificate. A refused
// authentication is not final: the operator may register the device after it
// starts asking, and tokens and certificates come back into force.
func Judge(chain pki.Chain, err error) Outcome {
	if err == nil {
		return Outcome{Event: lifecycle.Issued, Chain: chain}
	}
	o := Outcome{Event: lifecycle.Failed, Err: err}
	switch problem.KindOf(err) {
	case problem.Pending, problem.TooMany:
		o.Event = lifecycle.Deferred
	case problem.Unauthenticated:
		o.Event = lifecycle.Refused
	case problem.Forbidden:
		o.Event, o.Final = lifecycle.Refused, true
	case problem.Unavailable:
	default:
		o.Final = true
	}
	return o
}
