package renew_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"testing"

	"mooring/agent/renew"
	"mooring/internal/est/estclient"
	"mooring/internal/lifecycle"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/internal/secret"
)

type server struct{ answers []error }

func (s *server) ReEnrol(context.Context, crypto.Signer, string, estclient.Authorization) (pki.Chain, error) {
	err := s.answers[0]
	s.answers = s.answers[1:]
	return pki.Chain{}, err
}

type tokens struct {
	given, forgotten int
	err              error
}

func (t *tokens) Token(context.Context) (secret.String, error) {
	t.given++
	return secret.New("t"), t.err
}

func (t *tokens) Forget(context.Context, secret.String) { t.forgotten++ }

func TestByToken(t *testing.T) {
	refused := problem.New(problem.Unauthenticated, "", nil)
	away := problem.New(problem.Unavailable, "", nil)
	tests := []struct {
		name             string
		answers          []error
		tokenErr         error
		want             lifecycle.EventKind
		given, forgotten int
	}{
		{"issued", []error{nil}, nil, lifecycle.Issued, 1, 0},
		{"stale token", []error{refused, nil}, nil, lifecycle.Issued, 2, 1},
		{"refused twice", []error{refused, refused}, nil, lifecycle.Refused, 2, 1},
		{"away", []error{away}, nil, lifecycle.Failed, 1, 0},
		{"no token", nil, away, lifecycle.Failed, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			have := &tokens{err: tt.tokenErr}
			got := renew.ByToken(context.Background(), &server{tt.answers}, have, nil, "dev1")
			if got.Event != tt.want || have.given != tt.given || have.forgotten != tt.forgotten {
				t.Errorf("got event %d, %+v; want %d, %d, %d", got.Event, have, tt.want, tt.given, tt.forgotten)
			}
		})
	}
}

func TestByCertificateWithoutPort(t *testing.T) {
	got := renew.ByCertificate(context.Background(), renew.Endpoint{}, tls.Certificate{}, nil, "dev1")
	if got.Event != lifecycle.Failed || got.Final {
		t.Errorf("got %+v, want a failure that is not final", got)
	}
}
