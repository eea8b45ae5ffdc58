package estclient_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"mooring/internal/attestation"
	"mooring/internal/est"
	"mooring/internal/est/estclient"
	"mooring/internal/pki"
	"mooring/internal/problem"
)

// tpmKey proves by a made-up TPM.
type tpmKey struct {
	crypto.Signer
	always bool
	proved int
	err    error
}

func (k *tpmKey) Always() bool { return k.always }

func (k *tpmKey) Keys(context.Context) (ek, ak []byte, err error) {
	return []byte("EK"), []byte("AK"), k.err
}

func (k *tpmKey) Prove(_ context.Context, ticket, credential, secret []byte) (*attestation.Evidence, error) {
	if string(credential) != "credential" || string(secret) != "secret" {
		return nil, errors.New("another challenge")
	}
	k.proved++
	return &attestation.Evidence{Certified: []byte{1}, Signature: []byte{2}, KeyPublic: []byte{3}, EKPublic: []byte("EK"), AKPublic: []byte("AK"),
		Ticket: ticket, Certificates: [][]byte{{0x30, 0}}}, nil
}

// prover is a server that may ask for an attestation.
type prover struct {
	t         *testing.T
	issuer    *issuer
	asks      bool
	attrs     http.HandlerFunc // nil: as asks says
	challenge http.HandlerFunc // nil: one that can be answered
	wait      bool             // 202
	refuses   bool             // 422
	paths     []string
	bodies    [][]byte
}

func (p *prover) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.paths = append(p.paths, r.URL.Path)
	switch {
	case strings.HasSuffix(r.URL.Path, "csrattrs"):
		if _, _, basic := r.BasicAuth(); basic {
			p.t.Error("the one-time password was shown")
		}
		switch {
		case p.attrs != nil:
			p.attrs(w, r)
		case p.asks:
			_, _ = w.Write(est.EncodeCSRAttributes(attestation.Attribute))
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	case strings.HasPrefix(r.URL.Path, "/mooring/attestation"):
		var keys map[string][]byte
		if err := json.NewDecoder(r.Body).Decode(&keys); err != nil || string(keys["ek_public"]) != "EK" || string(keys["ak_public"]) != "AK" ||
			r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") == "" {
			p.t.Errorf("%v, %q, %v", r.Header, keys, err)
		}
		if p.challenge != nil {
			p.challenge(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string][]byte{"ticket": []byte("ticket"), "credential": []byte("credential"), "secret": []byte("secret")})
	default:
		body, _ := io.ReadAll(r.Body)
		p.bodies = append(p.bodies, body)
		switch {
		case p.wait:
			w.WriteHeader(http.StatusAccepted)
		case p.refuses:
			w.WriteHeader(http.StatusUnprocessableEntity)
		default:
			r.Body = io.NopCloser(bytes.NewReader(body))
			answer(p.t, w, p.issuer.leaf(p.t, r))
		}
	}
}

// evidence is what the n-th request carried.
func (p *prover) evidence(n int) *attestation.Evidence {
	p.t.Helper()
	der, err := est.DecodeRequest(p.bodies[n])
	if err != nil {
		p.t.Fatal(err)
	}
	csr, err := pki.CheckCSR(der, "dev1")
	if err != nil {
		p.t.Fatal(err)
	}
	e, err := attestation.FromRequest(csr.RawTBSCertificateRequest)
	if err != nil {
		p.t.Fatal(err)
	}
	return e
}

func TestProve(t *testing.T) {
	drop := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	tests := []struct {
		name    string
		asks    bool
		always  bool
		label   string
		attrs   http.HandlerFunc
		answer  http.HandlerFunc
		keys    error
		paths   string // last elements, of what was asked
		proves  bool
		wantErr error
		detail  string
	}{
		{name: "asked for", asks: true, paths: "csrattrs attestation simpleenroll", proves: true},
		{name: "asked for, by label", asks: true, label: "t1", paths: "csrattrs t1 simpleenroll", proves: true},
		{name: "not asked for", paths: "csrattrs simpleenroll"},
		{name: "always", always: true, paths: "attestation simpleenroll", proves: true},
		{name: "no CSR attributes there", attrs: status(404, ""), paths: "csrattrs simpleenroll"},
		{name: "forbidden", attrs: status(403, ""), paths: "csrattrs simpleenroll"},
		{name: "wants a password", attrs: status(401, ""), paths: "csrattrs simpleenroll"},
		{name: "not offered", attrs: status(501, ""), paths: "csrattrs simpleenroll"},
		{name: "a page", attrs: status(200, "<html>"), paths: "csrattrs simpleenroll"},
		{name: "empty", attrs: status(200, ""), paths: "csrattrs simpleenroll"},
		{name: "no answer", attrs: drop, paths: "csrattrs", wantErr: problem.Unavailable},
		{name: "no challenge there", always: true, answer: status(404, ""), paths: "attestation", wantErr: problem.NotFound, detail: "gives no challenge"},
		{name: "no OTP yet", asks: true, answer: status(401, `{"message":"not registered"}`), paths: "csrattrs attestation", wantErr: problem.Unauthenticated, detail: "not registered"},
		{name: "slower", asks: true, answer: status(429, ""), paths: "csrattrs attestation", wantErr: problem.TooMany},
		{name: "refused keys", asks: true, answer: status(422, "the AK is none"), paths: "csrattrs attestation", wantErr: problem.Unprocessable, detail: "the AK is none"},
		{name: "a challenge that is none", asks: true, answer: status(200, "hello"), paths: "csrattrs attestation", wantErr: problem.Invalid},
		{name: "too long a ticket", asks: true, answer: status(200, `{"ticket":"`+strings.Repeat("AAAA", attestation.MaxTicket/3+1)+`"}`), paths: "csrattrs attestation", wantErr: problem.Invalid},
		{name: "another's challenge", asks: true, answer: status(200, `{}`), paths: "csrattrs attestation", wantErr: problem.Internal, detail: "cannot prove"},
		{name: "a TPM that fails", asks: true, keys: errors.New("lockout"), paths: "csrattrs", wantErr: problem.Internal, detail: "cannot prove"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &prover{t: t, issuer: newIssuer(t), asks: tt.asks, attrs: tt.attrs, challenge: tt.answer}
			c := start(t, p.ServeHTTP)
			c.Label = tt.label
			_, err := c.Enrol(t.Context(), &tpmKey{Signer: newKey(t), always: tt.always, err: tt.keys}, "dev1", otp)
			if !errors.Is(err, tt.wantErr) && err != tt.wantErr {
				t.Fatalf("%v, want %v", err, tt.wantErr)
			}
			if err != nil && !strings.Contains(err.Error(), tt.detail) {
				t.Errorf("%v, want %q in it", err, tt.detail)
			}
			var asked []string
			for _, path := range p.paths {
				asked = append(asked, path[strings.LastIndexByte(path, '/')+1:])
			}
			if got := strings.Join(asked, " "); got != tt.paths {
				t.Errorf("asked %q, want %q", got, tt.paths)
			}
			if err == nil && (p.evidence(0) != nil) != tt.proves {
				t.Errorf("evidence %+v, want it: %v", p.evidence(0), tt.proves)
			}
		})
	}
}

// A key elsewhere is never asked to prove anything, and costs no request more.
func TestProveNothing(t *testing.T) {
	p := &prover{t: t, issuer: newIssuer(t), asks: true}
	c := start(t, p.ServeHTTP)
	if _, err := c.Enrol(t.Context(), newKey(t), "dev1", otp); err != nil || len(p.paths) != 1 || p.evidence(0) != nil {
		t.Errorf("%q, %v", p.paths, err)
	}
}

// While the server decides, the same request comes again, as long as it is good.
func TestProveWhilePending(t *testing.T) {
	p := &prover{t: t, issuer: newIssuer(t), asks: true, wait: true}
	c := start(t, p.ServeHTTP)
	now := time.Now()
	// TLS has its own clock: the time here is that of the requests.
	c.Now = func() time.Time { return now }
	key := &tpmKey{Signer: newKey(t)}
	ask := func(want error) {
		t.Helper()
		if _, err := c.Enrol(t.Context(), key, "dev1", otp); !errors.Is(err, want) && err != want {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		after  time.Duration
		proved int
	}{{0, 1}, {5*time.Minute - 1, 1}, {5 * time.Minute, 2}, {4 * time.Minute, 3}} { // the clock was set back
		now = time.Unix(2e9, 0).Add(tt.after)
		ask(problem.Pending)
		if key.proved != tt.proved {
			t.Errorf("after %v: proved %d times, want %d", tt.after, key.proved, tt.proved)
		}
	}
	if !bytes.Equal(p.bodies[0], p.bodies[1]) || bytes.Equal(p.bodies[1], p.bodies[2]) {
		t.Error("not the same request as long as it is good")
	}
	p.wait, p.refuses = false, true
	ask(problem.Unprocessable)
	p.refuses = false
	ask(nil)
	if key.proved != 4 {
		t.Errorf("proved %d times: a request that was refused is not sent again", key.proved)
	}
}

// A server that changes its mind is asked again; one that does not gets the same.
func TestProveLater(t *testing.T) {
	p := &prover{t: t, issuer: newIssuer(t), wait: true}
	c := start(t, p.ServeHTTP)
	now := time.Unix(2e9, 0)
	c.Now = func() time.Time { return now }
	key := &tpmKey{Signer: newKey(t)}
	for n, proved := range []int{0, 0, 1} {
		p.asks = n == 2
		if _, err := c.Enrol(t.Context(), key, "dev1", otp); !errors.Is(err, problem.Pending) || key.proved != proved {
			t.Errorf("%d: proved %d, %v", n, key.proved, err)
		}
		now = now.Add(5 * time.Minute)
	}
	if !bytes.Equal(p.bodies[0], p.bodies[1]) || p.evidence(2) == nil {
		t.Error("not the same while nothing is asked for, or no evidence after")
	}
}

// A renewal shows what it has to all three calls.
func TestProveReEnrolling(t *testing.T) {
	p := &prover{t: t, issuer: newIssuer(t), asks: true}
	c := start(t, p.ServeHTTP)
	if _, err := c.ReEnrol(t.Context(), &tpmKey{Signer: newKey(t)}, "dev1", estclient.Bearer(otp)); err != nil || p.evidence(0) == nil {
		t.Error(err)
	}
}
