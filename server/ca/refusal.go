package ca

import (
	"errors"

	"mooring/internal/problem"
)

// Refusal is why an OTP was refused. It is for the tenant's operators; the
// device is told refusedOTP alone.
type Refusal struct {
	// Registered tells that the tenant has a registration of that external ID, so
	// that the refusal may be charged to it.
	Registered bool
	Detail     string
}

// Error makes a Refusal the cause of the problem that the device is told.
func (r *Refusal) Error() string { return r.Detail }

// RefusalOf returns why Enrol refused the OTP; it is not ok for other errors.
func RefusalOf(err error) (r Refusal, ok bool) {
	cause, ok := errors.AsType[*Refusal](err)
	if !ok {
		return Refusal{}, false
	}
	return *cause, true
}

func refuse(registered bool, detail string) error {
	return problem.WithCode(problem.Unauthenticated, "security/Unauthorized", refusedOTP, &Refusal{Registered: registered, Detail: detail})
}
