package agent

import (
	"context"
	"errors"

	"mooring/internal/problem"
)

// hints say what to do about the reasons that a server gives for a refusal
// and that the uplink finds itself.
var hints = map[string]string{
	"revoked":                            "the certificate is revoked; register the device again and run mooring-agent enrol --again",
	"expired":                            "the certificate has expired; if it is not renewed soon, register the device again and run mooring-agent enrol --again",
	"not-yet-valid":                      "the certificate is not valid yet: compare the clocks of device and server",
	"unknown-issuer":                     "the server does not trust the issuer; upload it as trusted certificate, or enrol at this server",
	"chain-incomplete":                   "the server trusts an issuer further up; the chain must lead to it",
	"anchor-disabled":                    "the trusted certificate is disabled at the server",
	"client-id-differs-from-common-name": "device_id must be the CN of the certificate",
	"device-not-registered":              "register the device at the server, or switch on auto-registration of its trusted certificate",
	"device-user-disabled":               "the device's user is disabled at the server",
	"device-uses-password":               "the device is known with a password; register it again for certificates",
	"server certificate":                 "set ca to the trust anchors of the server, and compare the clocks of device and server",
	"unreachable":                        "check server and ports, and the network of the device",
}

// whyNot puts what went wrong with the connection in the place of "not in
// time".
func (a *Agent) whyNot(ctx context.Context, err error) error {
	if problem.KindOf(err) != problem.Unavailable || ctx.Err() == nil {
		return err
	}
	v, _ := a.look()
	return tooLate(v)
}

// tooLate says what stood in the way when time ran out.
func tooLate(v view) error {
	e := v.lastError
	if e == nil {
		return problem.New(problem.Unavailable, "not done in time", nil)
	}
	err := problem.New(problem.Unavailable, "not done in time: "+e.Reason+": "+e.Detail, nil)
	hint := hints[e.Reason]
	if hint == "" {
		return err
	}
	return &hinted{error: err, hint: hint}
}

// enrolHint adds advice to the end of an enrolment.
func enrolHint(v view, err error) error {
	if Hint(err) != "" {
		return err
	}
	hint := "check the server's name and port, and that the device is registered there"
	if v.lastError != nil && v.lastError.Reason == string(problem.Unauthenticated) {
		hint = "the OTP is unknown, wrong or spent; ask the operator to register the device again"
	}
	if errors.Is(err, problem.Internal) {
		hint = "the state directory or the key store is at fault, not the server"
	}
	return &hinted{error: err, hint: hint}
}
