package estclient

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"mooring/internal/attestation"
	"mooring/internal/est"
	"mooring/internal/problem"
)

// proofLife is how long a request with an attestation is used: half of what
// mooring-server gives for the answer to a challenge. It is also how long the word
// of a server that wants none is taken for the same key.
const proofLife = 5 * time.Minute

// Prover is a key that can prove where it is. What it proves goes into requests to
// servers whose CSR attributes ask for it.
type Prover interface {
	crypto.Signer
	// Always tells that it proves it to servers that do not ask, too.
	Always() bool
	// Keys returns the endorsement key and the attestation key, as TPMT_PUBLIC.
	Keys(ctx context.Context) (ekPublic, akPublic []byte, err error)
	// Prove opens the challenge for those keys and answers it.
	Prove(ctx context.Context, ticket, credential, secret []byte) (*attestation.Evidence, error)
}

// prove makes the request anew if it needs an attestation, or its own is old. It
// leaves made as it is if the server wants none.
func (c *Client) prove(ctx context.Context, made *cachedCSR, key Prover, auth Authorization) error {
	now := c.now()
	if made.der != nil && !now.Before(made.asked) && now.Sub(made.asked) < proofLife {
		return nil
	}
	wanted := key.Always()
	if !wanted {
		var err error
		if wanted, err = c.asksForProof(ctx, auth); err != nil {
			return err
		}
	}
	if made.proves || wanted {
		made.der = nil
	}
	made.asked, made.proves = now, wanted
	if !wanted {
		return nil
	}
	evidence, err := c.evidence(ctx, key, auth)
	if err != nil {
		return err
	}
	if made.der, err = evidence.CreateRequest(rand.Reader, key, pkix.Name{CommonName: made.externalID}); err != nil {
		return problem.New(problem.Internal, "the key cannot sign a certificate request", err)
	}
	return nil
}

// asksForProof reads the CSR attributes (RFC 7030 §4.5). Many servers have none, and
// answer with anything; what is no answer at all may be another one next time.
func (c *Client) asksForProof(ctx context.Context, auth Authorization) (bool, error) {
	if !auth.user.IsZero() {
		auth = Authorization{} // a password is not shown where nobody asks for it
	}
	body, err := c.do(ctx, http.MethodGet, est.OpCSRAttrs, nil, auth)
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind == problem.Unavailable && p.Cause != nil {
		return false, err // not an answer of 5xx, which has no cause here
	}
	return err == nil && est.AsksFor(body, attestation.Attribute), nil
}

func (c *Client) evidence(ctx context.Context, key Prover, auth Authorization) (*attestation.Evidence, error) {
	ek, ak, err := key.Keys(ctx)
	if err != nil {
		return nil, cannotProve(err)
	}
	asked, err := json.Marshal(map[string][]byte{"ek_public": ek, "ak_public": ak})
	if err != nil {
		return nil, err
	}
	path := est.AttestationPath
	if c.Label != "" {
		path += "/" + url.PathEscape(c.Label)
	}
	body, err := c.do(ctx, http.MethodPost, path, asked, auth)
	if problem.KindOf(err) == problem.NotFound {
		return nil, problem.New(problem.NotFound, "the server gives no challenge for an attestation", err)
	}
	if err != nil {
		return nil, err
	}
	var challenge struct{ Ticket, Credential, Secret []byte }
	if err := json.Unmarshal(body, &challenge); err != nil || len(challenge.Ticket) > attestation.MaxTicket {
		return nil, problem.New(problem.Invalid, "the server's challenge for an attestation cannot be read", err)
	}
	evidence, err := key.Prove(ctx, challenge.Ticket, challenge.Credential, challenge.Secret)
	if err != nil {
		return nil, cannotProve(err)
	}
	return evidence, nil
}

func cannotProve(err error) error {
	return problem.New(problem.Internal, "the key store cannot prove where the key is", err)
}
