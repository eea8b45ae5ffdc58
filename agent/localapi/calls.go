package localapi

import (
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
)

// status answers with the status, or follows it: a line whenever something in it
// changes, such as the rung of recovery.
func (a *API) status(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("follow") {
		return a.follow(w, r, func(s Snapshot) any { return s.Status })
	}
	s, _ := a.device.Look()
	return writeJSON(w, s.Status)
}

func (a *API) token(w http.ResponseWriter, r *http.Request) error {
	token, expires, err := a.device.DeviceToken(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		Token   string    `json:"token"`
		Expires time.Time `json:"expires"`
	}{token.Reveal(), expires.UTC()})
}

// publish sends the body as it is on the topic of the query.
func (a *API) publish(w http.ResponseWriter, r *http.Request) error {
	topic := r.URL.Query().Get("topic")
	if topic == "" {
		topic = "s/us"
	}
	if !a.policy.Publish.Allow(topic) {
		return problem.New(problem.Forbidden, "local.publish does not open this topic", nil)
	}
	payload, err := body(r)
	if err != nil {
		return err
	}
	if len(payload) == 0 {
		return problem.New(problem.Invalid, "nothing to publish: the body is the payload", nil)
	}
	if err := a.device.Send(r.Context(), topic, payload); err != nil {
		return err
	}
	return writeJSON(w, struct{}{})
}

// signCall is the body of POST /v1/sign.
type signCall struct {
	Digest []byte `json:"digest"` // base64
	Hash   string `json:"hash"`   // SHA-256, SHA-384 or SHA-512
	PSS    bool   `json:"pss"`    // RSA only; else PKCS#1 v1.5
}

var hashes = map[string]crypto.Hash{"SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512}

func (a *API) sign(w http.ResponseWriter, r *http.Request) error {
	text, err := body(r)
	if err != nil {
		return err
	}
	var c signCall
	if err := json.Unmarshal(text, &c); err != nil {
		return problem.New(problem.Invalid, "the body is no JSON with digest and hash", err)
	}
	hash, known := hashes[c.Hash]
	if !known || len(c.Digest) != hash.Size() {
		return problem.New(problem.Invalid, "hash must be SHA-256, SHA-384 or SHA-512, and digest as long as it says", nil)
	}
	var opts crypto.SignerOpts = hash
	if c.PSS {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	signature, err := a.device.Sign(r.Context(), c.Digest, opts)
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		Signature []byte `json:"signature"`
	}{signature})
}

// chainEvent is one line of a followed chain.
type chainEvent struct {
	Fingerprint string    `json:"fingerprint"` // SHA-256 of the leaf
	NotAfter    time.Time `json:"not_after"`
	Chain       string    `json:"chain"` // PEM, leaf first
}

// chain answers with the chain as PEM, or follows it.
func (a *API) chain(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("follow") {
		return a.follow(w, r, func(s Snapshot) any {
			if s.Chain == nil {
				return nil
			}
			return chainEventOf(s.Chain)
		})
	}
	s, _ := a.device.Look()
	if s.Chain == nil {
		return problem.New(problem.Conflict, "the device is not enrolled", nil)
	}
	w.Header().Set("Content-Type", "application/pem-certificate-chain")
	_, err := w.Write(pki.EncodePEM(s.Chain...))
	return err
}

func chainEventOf(c pki.Chain) chainEvent {
	return chainEvent{pki.Fingerprint(c.Leaf()), c.Leaf().NotAfter.UTC(), string(pki.EncodePEM(c...))}
}

func body(r *http.Request) ([]byte, error) {
	text, err := io.ReadAll(r.Body)
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		return nil, problem.New(problem.TooLarge, "the body cannot be read: at most "+strconv.Itoa(maxBody)+" bytes", err)
	}
	if err != nil {
		return nil, problem.New(problem.Invalid, "the body cannot be read", err)
	}
	return text, nil
}

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

// statusOf is the HTTP status of a kind of error (internal/problem).
var statusOf = map[problem.Kind]int{
	problem.Invalid: 400, problem.Forbidden: 403, problem.NotFound: 404, problem.Conflict: 409, problem.TooLarge: 413,
	problem.Unprocessable: 422, problem.TooMany: 429, problem.Pending: 503, problem.Unavailable: 503,
}

func writeError(w http.ResponseWriter, err error) {
	kind := problem.KindOf(err)
	status, known := statusOf[kind]
	if !known {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	if wait := problem.RetryAfter(err); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // to a caller that may be gone
		Kind   problem.Kind `json:"kind"`
		Detail string       `json:"detail"`
	}{kind, err.Error()})
}
