package pkcs11key

import (
	"context"
	"errors"
	"slices"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key/wire"
)

// Kind says what a caller may do about an Error.
type Kind string

// The kinds.
const (
	// Gone: the token cannot be reached now. Trying again later may help.
	Gone Kind = "gone"
	// PIN: the token does not let this program in. A person must help.
	PIN Kind = "pin"
	// Refused: the token does not do what is asked, or it is not clear which one
	// is meant.
	Refused Kind = "refused"
)

// Error is what went wrong with a token, in words.
type Error struct {
	Kind Kind
	Text string
	Hint string // what to do; may be empty
	err  error
}

func (e *Error) Error() string {
	if e.err == nil {
		return e.Text
	}
	return e.Text + ": " + e.err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.err }

// Is tells what the kind is to those who know no token.
func (e *Error) Is(target error) bool {
	return e.Kind == Gone && target == key.ErrAway || e.Kind == PIN && target == key.ErrBarred
}

// HintText says what to do.
func (e *Error) HintText() string { return e.Hint }

// class says what a fault is about, and so on which rung the supervisor begins.
type class int

const (
	final   class = iota // nothing: the answer stands
	session              // a session or a handle in it
	login                // the login
	unclear              // whatever: modules say so for all kinds of reasons
	device               // token, slot or module
	broken               // the helper
	badPIN               // remember the PIN and do not try it again
	missing              // the token is not there: nothing to do but ask later
)

// classes of the codes that are not final.
var classes = map[uint]class{
	wire.KeyHandleInvalid: session, wire.ObjectHandleInvalid: session, wire.OperationActive: session, wire.OperationNotInitialized: session,
	wire.SessionClosed: session, wire.SessionCount: session, wire.SessionHandleInvalid: session,
	wire.UserNotLoggedIn: login,
	wire.HostMemory:      unclear, wire.GeneralError: unclear, wire.FunctionFailed: unclear,
	wire.SlotIDInvalid: device, wire.DeviceError: device, wire.DeviceMemory: device, wire.DeviceRemoved: device, wire.TokenNotPresent: device,
	wire.TokenNotRecognized: device, wire.CryptokiNotInitialized: device,
	wire.PINIncorrect: badPIN, wire.PINInvalid: badPIN, wire.PINLenRange: badPIN, wire.PINExpired: badPIN,
}

func classOf(f *wire.Fault) class {
	switch f.Kind {
	case wire.KindBroken:
		return broken
	case wire.KindNoToken:
		return missing
	}
	return classes[f.Code]
}

// sayings are the faults that people can do something about.
var sayings = []struct {
	kinds []string
	codes []uint
	kind  Kind
	text  string
	hint  string
}{
	{kinds: []string{wire.KindNoToken}, kind: Gone, text: "no token is there that matches the URI",
		hint: "plug the token in, or compare token=, serial= and slot-id= of the URI with pkcs11-tool --list-slots"},
	{kinds: []string{wire.KindAmbiguous}, kind: Refused, text: "it is not clear what is meant", hint: "add serial= or id= to the URI, or remove what is there twice (pkcs11-tool --list-objects)"},
	{kinds: []string{wire.KindNeedsPIN}, kind: PIN, text: "the token wants a PIN", hint: "write it to a file and add pin-source=file:/path to the URI"},
	{kinds: []string{wire.KindFinalTry}, kind: PIN, text: "a wrong PIN was tried before, and one more would lock the token: nothing is tried",
		hint: "correct the PIN file and log in once by hand, as with pkcs11-tool --login --test, which sets the counter back"},
	{kinds: []string{wire.KindPINLocked}, codes: []uint{wire.PINLocked}, kind: PIN, text: "the user PIN is locked after wrong tries",
		hint: "unlock it with the security officer's PIN (pkcs11-tool --init-pin --login --login-type so); a TPM's lockout ends by itself or with tpm2_dictionarylockout --clear-lockout"},
	{kinds: []string{wire.KindNoUserPIN}, codes: []uint{wire.UserPINNotInitialized}, kind: PIN, text: "the token has no user PIN yet",
		hint: "set one with the security officer's PIN (pkcs11-tool --init-pin --login --login-type so)"},
	{codes: []uint{wire.PINIncorrect, wire.PINInvalid, wire.PINLenRange}, kind: PIN, text: "the PIN is wrong; it is not tried again until its file changes",
		hint: "correct the file that pin-source names"},
	{codes: []uint{wire.PINExpired}, kind: PIN, text: "the PIN has expired", hint: "set a new one, and write it to the file that pin-source names"},
	{codes: []uint{wire.UserTooManyTypes}, kind: PIN, text: "the security officer is logged in", hint: "log the security officer out"},
	{codes: []uint{wire.MechanismInvalid, wire.MechanismParamInvalid, wire.KeySizeRange, wire.CurveNotSupported, wire.DomainParamsInvalid,
		wire.FunctionNotSupported}, kind: Refused, text: "this token does not do that algorithm", hint: "see what it does with pkcs11-tool --list-mechanisms"},
	{codes: []uint{wire.TokenWriteProtected, wire.SessionReadOnly}, kind: Refused, text: "the token is write-protected"},
	{codes: []uint{wire.DeviceMemory}, kind: Refused, text: "the token is full", hint: "remove objects that are not needed (pkcs11-tool --list-objects)"},
	{codes: []uint{wire.KeyFunctionNotPermitted, wire.KeyTypeInconsistent}, kind: Refused, text: "the key may not be used for that"},
}

// explain puts a fault into words.
func (l Location) explain(err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var fault *wire.Fault
	if !errors.As(err, &fault) {
		e := &Error{Kind: Gone, Text: "the helper of " + l.describe() + " does not answer as it should", err: err}
		if errors.Is(err, errSilent) {
			e.Hint = "if the token is only slow, mooring-agent keystore selftest finds out how long to wait for it"
		}
		return e
	}
	switch fault.Kind {
	case wire.KindNotFound:
		return key.ErrNotFound
	case wire.KindSealed:
		return key.ErrSealed
	}
	for _, s := range sayings {
		if slices.Contains(s.kinds, fault.Kind) || fault.Kind == "" && slices.Contains(s.codes, fault.Code) {
			return &Error{Kind: s.kind, Text: l.describe() + ": " + s.text, Hint: s.hint, err: causeOf(fault)}
		}
	}
	if _, mends := ladder[classOf(fault)]; mends {
		return &Error{Kind: Gone, Text: l.describe() + " does not work now", err: fault}
	}
	return &Error{Kind: Refused, Text: l.describe() + " refused", err: fault}
}

// causeOf is nil for a fault whose kind says all.
func causeOf(f *wire.Fault) error {
	if f.Code == 0 && f.Text == "" {
		return nil
	}
	return f
}
