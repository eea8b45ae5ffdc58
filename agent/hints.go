package agent

import (
	"context"
	"errors"
	"syscall"

	"mooring/internal/lifecycle"
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
	"device-id-taken":                    "another device has made this name its child: have its object deleted, or given another owner",
	"server certificate":                 "set ca to the trust anchors of the server, and compare the clocks of device and server",
	"key store":                          "mooring-agent keystore selftest tells more",
	"proxy":                              "check proxy.url and proxy.credentials in the configuration, or HTTPS_PROXY; the proxy must allow CONNECT to the server's ports",
	"tls version":                        "the operator of the server, or of what stands before it, has to switch on TLS 1.2 or 1.3",
	"clock":                              "set the clock of the device; nothing is renewed and nothing counts as expired before",
	"pending":                            "the server decides later: an operator has to accept the device; ask again then",
	"too many":                           "the server slows down who asks too often; wait, then ask again",
	"unavailable":                        "the server has a fault of its own; try again later, its operator finds the cause in the log",
	"unreachable":                        "check server and ports, and the network of the device",
}

// localFault is the hint where the error itself has none.
const localFault = "the state directory or the key store is at fault, not the server"

// advice is the hint of what went wrong, empty if there is none.
func (e *LastError) advice() string {
	if e.Hint != "" {
		return e.Hint
	}
	return hints[e.Reason]
}

// whyNot says what stood in the way when time ran out: the reason why the
// device is not connected, if there is one.
func (a *Agent) whyNot(ctx context.Context, err error) error {
	v, _ := a.look()
	if err == nil || ctx.Err() == nil || v.lastError == nil || v.state.Online {
		return err
	}
	return tooLate("not connected", v, a.cfg.DeviceID)
}

// whyKept says that a message is kept, and why it was not delivered.
func (a *Agent) whyKept(ctx context.Context, err error) error {
	v, _ := a.look()
	if ctx.Err() == nil || v.lastError == nil || v.state.Online {
		return err
	}
	return tooLate("kept for later, not connected", v, a.cfg.DeviceID)
}

// tooLate says that something was not done in time, and why.
func tooLate(what string, v view, deviceID string) error {
	e := v.lastError
	if e == nil {
		what += " in time"
		if v.state.Task == lifecycle.Requesting {
			what += ": the server has not answered yet"
		}
		return problem.New(problem.Unavailable, what, nil)
	}
	hint := e.advice()
	if hint == "" {
		hint = "mooring-agent doctor tells more; the operator sees why with: mooring-server explain " + deviceID
	}
	return WithHint(problem.New(problem.Unavailable, what+": "+e.Reason+": "+e.Detail, nil), hint)
}

// enrolHint adds advice to the end of an enrolment.
func enrolHint(v view, err error) error {
	if v.lastError != nil && v.lastError.advice() != "" {
		return err
	}
	hint := "check the server's name and port, and that the device is registered there; if they are right, show its operator this error"
	if v.lastError != nil && v.lastError.Reason == string(problem.Unauthenticated) {
		hint = "the OTP is unknown, wrong or spent; ask the operator to register the device again"
	}
	if errors.Is(err, problem.Internal) {
		hint = localFault
	}
	return &hinted{error: err, hint: hint}
}

var errNotEnrolled = &hinted{
	error: problem.New(problem.Conflict, "the device is not enrolled", nil),
	hint:  "register the device at the server, then run mooring-agent enrol",
}

// hinted is an error with advice for a person.
type hinted struct {
	error
	hint string
}

// Hint says what to do.
func (h *hinted) Hint() string { return h.hint }

// Unwrap returns the error itself.
func (h *hinted) Unwrap() error { return h.error }

// Hint returns the advice that comes with err, empty if there is none.
func Hint(err error) string {
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return h.Hint()
	}
	if h, ok := errors.AsType[interface {
		error
		HintText() string // of what has a field Hint
	}](err); ok {
		return h.HintText()
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "the disk is full: make room, then try again; nothing is lost"
	case errors.Is(err, syscall.EROFS):
		return "the file system is read-only: mount it for writing"
	case errors.Is(err, syscall.EIO):
		return "the disk is at fault: the log of the kernel tells more"
	}
	return ""
}

// WithHint adds advice for a person to err.
func WithHint(err error, hint string) error { return &hinted{error: err, hint: hint} }

// NotEnrolled is the error of everything that needs an identity.
func NotEnrolled() error { return errNotEnrolled }
