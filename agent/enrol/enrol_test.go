package enrol_test

import (
	"context"
	"crypto"
	"errors"
	"testing"
	"time"

	"mooring/agent/enrol"
	"mooring/internal/lifecycle"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/internal/secret"
)

type server struct {
	err error
	otp string
}

func (s *server) Enrol(_ context.Context, _ crypto.Signer, _ string, otp secret.String) (pki.Chain, error) {
	s.otp = otp.Reveal()
	return pki.Chain{}, s.err
}

func TestRequest(t *testing.T) {
	later := problem.New(problem.Pending, "later", nil)
	later.RetryAfter = 7 * time.Second
	tests := []struct {
		name  string
		err   error
		want  lifecycle.EventKind
		final bool
		wait  time.Duration
	}{
		{"issued", nil, lifecycle.Issued, false, 0},
		{"decided later", later, lifecycle.Deferred, false, 7 * time.Second},
		{"too many", problem.New(problem.TooMany, "", nil), lifecycle.Deferred, false, 0},
		{"OTP refused", problem.New(problem.Unauthenticated, "", nil), lifecycle.Refused, false, 0},
		{"role missing", problem.New(problem.Forbidden, "", nil), lifecycle.Refused, true, 0},
		{"server away", problem.New(problem.Unavailable, "", nil), lifecycle.Failed, false, 0},
		{"CN refused", problem.New(problem.Unprocessable, "", nil), lifecycle.Failed, true, 0},
		{"no EST there", problem.New(problem.NotFound, "", nil), lifecycle.Failed, true, 0},
		{"certificate of another key", problem.New(problem.Invalid, "", nil), lifecycle.Failed, true, 0},
		{"unknown", errors.New("x"), lifecycle.Failed, true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &server{err: tt.err}
			got := enrol.Request(context.Background(), s, nil, "dev1", secret.New("otp"))
			if got.Event != tt.want || got.Final != tt.final || got.RetryAfter() != tt.wait || !errors.Is(got.Err, tt.err) || s.otp != "otp" {
				t.Errorf("got %+v, want event %d, final %v", got, tt.want, tt.final)
			}
		})
	}
}
