package tpmkey

import (
	"context"
	"errors"

	"github.com/google/go-tpm/tpm2"

	"mooring/hsm/key"
)

// Kind says what a caller may do about an Error.
type Kind string

// The kinds.
const (
	// Gone: the TPM cannot be reached now. Trying again later may help.
	Gone Kind = "gone"
	// Foreign: the key belongs to another TPM, or this one was cleared. A new key
	// and a new certificate are needed.
	Foreign Kind = "foreign"
	// Refused: the TPM does not do what is asked: a policy is not met, an algorithm
	// is unknown.
	Refused Kind = "refused"
	// Barred: the TPM wants a password, which this program has not.
	Barred Kind = "barred"
)

// Error is what went wrong with a TPM, in words.
type Error struct {
	Kind   Kind
	Text   string
	Advice string // what to do; may be empty
	err    error
}

func (e *Error) Error() string {
	if e.err == nil {
		return e.Text
	}
	return e.Text + ": " + e.err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.err }

// Is tells what the kind is to those who know no TPM.
func (e *Error) Is(target error) bool {
	return e.Kind == Gone && target == key.ErrAway || e.Kind == Barred && target == key.ErrBarred || e.Kind == Foreign && target == key.ErrLost
}

// Hint says what to do, to a person; it may be empty.
func (e *Error) Hint() string { return e.Advice }

// lost reports that handles or sessions are gone, or the connection: what was
// loaded must be loaded again.
func lost(err error) bool {
	if err == nil {
		return false
	}
	var broken *brokenError
	if errors.As(err, &broken) || errors.Is(err, errSilent) {
		return true
	}
	for _, rc := range []tpm2.TPMRC{tpm2.TPMRCReferenceH0, tpm2.TPMRCReferenceH1, tpm2.TPMRCReferenceH2, tpm2.TPMRCReferenceS0,
		tpm2.TPMRCReferenceS1, tpm2.TPMRCHandle, tpm2.TPMRCContextGap, tpm2.TPMRCObjectMemory, tpm2.TPMRCSessionMemory,
		tpm2.TPMRCObjectHandles, tpm2.TPMRCSessionHandles, tpm2.TPMRCInitialize} {
		if errors.Is(err, rc) {
			return true
		}
	}
	return false
}

// full reports that the TPM has no room for another object or session. What this
// process had in it is unloaded then.
func full(err error) bool {
	for _, rc := range []tpm2.TPMRC{tpm2.TPMRCObjectMemory, tpm2.TPMRCSessionMemory, tpm2.TPMRCObjectHandles, tpm2.TPMRCSessionHandles} {
		if errors.Is(err, rc) {
			return true
		}
	}
	return false
}

// explain puts what a TPM answered into words.
func explain(path string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	is := func(codes ...tpm2.TPMRC) bool {
		for _, rc := range codes {
			if errors.Is(err, rc) {
				return true
			}
		}
		return false
	}
	switch {
	case is(tpm2.TPMRCIntegrity):
		return foreign(err)
	case is(tpm2.TPMRCLockout):
		return &Error{Gone, "the TPM is locked out after wrong passwords of another program", "wait, or reset it with tpm2_dictionarylockout", err}
	case is(tpm2.TPMRCPolicyFail, tpm2.TPMRCPCRChanged):
		return &Error{Refused, "the state of this machine (its PCRs) is not the one the key was made for",
			"enrol again if firmware or boot chain were changed on purpose", err}
	case is(tpm2.TPMRCBadAuth, tpm2.TPMRCAuthFail):
		return &Error{Barred, "the TPM asks for a password", "the owner hierarchy must have none; see tpm2_changeauth", err}
	case is(tpm2.TPMRCCurve, tpm2.TPMRCScheme, tpm2.TPMRCHash, tpm2.TPMRCValue, tpm2.TPMRCKeySize):
		return &Error{Refused, "this TPM does not do that algorithm", "use ecdsa-p256", err}
	case lost(err):
		return &Error{Gone, "the TPM at " + path + " does not answer as it should", "", err}
	}
	return &Error{Refused, "the TPM at " + path + " refused", "", err}
}

func foreign(cause error) error {
	return &Error{Foreign, "the key was made by another TPM, or this one was cleared since",
		"the private key cannot be had any more: register the device again, stop the agent and run mooring-agent enrol --again", cause}
}
