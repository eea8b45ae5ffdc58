package trust_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/trust"
)

// keys are one of each kind that can be proved.
func keys(tb testing.TB) map[string]crypto.Signer {
	tb.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return map[string]crypto.Signer{"RSA": r, "P-256": newKey(tb), "P-384": p384, "Ed25519": ed}
}

// signCode signs as openssl does: dgst -sha256 -sign, or for Ed25519 pkeyutl
// -sign -rawin.
func signCode(tb testing.TB, key crypto.Signer, code string) string {
	tb.Helper()
	message, hash := []byte(code), crypto.Hash(0)
	if _, ed := key.(ed25519.PrivateKey); !ed {
		sum := sha256.Sum256(message)
		message, hash = sum[:], crypto.SHA256
	}
	signature, err := key.Sign(rand.Reader, message, hash)
	if err != nil {
		tb.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(signature)
}

// clocked is s with a clock that the test sets.
func (s *store) clocked(tb testing.TB, now *time.Time) *trust.Trust {
	tb.Helper()
	v := trust.New(trust.Config{Certificates: s, Revocations: s, Options: s, Tenants: s, Now: func() time.Time { return *now }})
	if err := v.Load(ctx); err != nil {
		tb.Fatal(err)
	}
	return v
}

func TestProve(t *testing.T) {
	for name, key := range keys(t) {
		t.Run(name, func(t *testing.T) {
			s := newStore("t1")
			root := sign(t, nil, key, "Root", asCA)
			s.add("t1", root)
			v := s.load(t)
			row, err := v.NewCode(ctx, admin, "t1", root.fingerprint())
			if err != nil {
				t.Fatal(err)
			}
			if raw, err := base64.StdEncoding.DecodeString(row.ProofCode); err != nil || !regexp.MustCompile(`^[A-Za-z0-9]{32}$`).Match(raw) ||
				len(row.ProofCode) != 44 || !row.ProofUntil.Equal(epoch.Add(12*time.Hour)) || row.Proven {
				t.Fatalf("code %q until %v, proven %t", row.ProofCode, row.ProofUntil, row.Proven)
			}
			good := signCode(t, key, row.ProofCode)
			wrong := "Wrong Proof Of Possession plaintext used for tenant <'t1'>. Certificate <'" + root.fingerprint() + "'>, usage not granted."
			decoded, _ := base64.StdEncoding.DecodeString(row.ProofCode)
			for what, bad := range map[string]string{"the code decoded": signCode(t, key, string(decoded)), "a line feed more": signCode(t, key, row.ProofCode+"\n"),
				"another key": signCode(t, newKey(t), row.ProofCode)} {
				_, err := v.Prove(ctx, admin, "t1", root.fingerprint(), bad)
				if checkProblem(t, err, problem.Invalid, wrong); s.rows[0].Proven {
					t.Fatalf("%s: proven", what)
				}
			}
			row, err = v.Prove(ctx, admin, "t1", root.fingerprint(), "  "+good[:20]+"\r\n"+good[20:]+"\n")
			if err != nil || !row.Proven || !s.rows[0].Proven {
				t.Fatalf("proven %t, %v", row.Proven, err)
			}
			if last := s.audit[len(s.audit)-1]; last.Activity != "Trusted certificate proof of possession completed on 't1'." || last.Source != root.fingerprint() {
				t.Errorf("audit %+v", last)
			}
		})
	}
}

func TestProveRefused(t *testing.T) {
	root := newRoot(t, "Root")
	fp := root.fingerprint()
	start := func(t *testing.T) (*store, *trust.Trust, *time.Time, string) {
		s, now := newStore("t1"), epoch
		s.add("t1", root)
		v := s.clocked(t, &now)
		row, err := v.NewCode(ctx, admin, "t1", fp)
		if err != nil {
			t.Fatal(err)
		}
		return s, v, &now, row.ProofCode
	}
	tests := []struct {
		name    string
		after   time.Duration
		text    func(code string) string
		wantErr error
		want    string
	}{
		{name: "at the last moment", after: trust.CodeLifetime, text: func(c string) string { return signCode(t, root.key, c) }},
		{name: "expired", after: trust.CodeLifetime + time.Millisecond, text: func(c string) string { return signCode(t, root.key, c) }, wantErr: problem.Invalid,
			want: "Proof of possession verification code used for tenant t1 expired. Certificate " + fp + ", usage not granted."},
		{name: "no signature", text: func(string) string { return "" }, wantErr: problem.Unprocessable, want: "Cannot process user certificate data <'" + fp + "'> for tenant <'t1'>."},
		{name: "no base64", text: func(string) string { return "!!" }, wantErr: problem.Unprocessable, want: "Cannot process user certificate data"},
		{name: "as long as allowed", text: func(string) string { return strings.Repeat("A", trust.MaxSignatureText) }, wantErr: problem.Invalid, want: "Wrong Proof"},
		{name: "one longer", text: func(string) string { return strings.Repeat("A", trust.MaxSignatureText) + " " }, wantErr: problem.Unprocessable, want: "Cannot process user certificate data"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, v, now, code := start(t)
			*now = epoch.Add(tt.after)
			_, err := v.Prove(ctx, admin, "t1", fp, tt.text(code))
			if tt.wantErr == nil {
				if err != nil || !s.rows[0].Proven {
					t.Errorf("got %v", err)
				}
				return
			}
			checkProblem(t, err, tt.wantErr, tt.want)
			if s.rows[0].Proven {
				t.Error("proven")
			}
		})
	}
	t.Run("an old code", func(t *testing.T) {
		_, v, _, code := start(t)
		if _, err := v.NewCode(ctx, admin, "t1", fp); err != nil {
			t.Fatal(err)
		}
		_, err := v.Prove(ctx, admin, "t1", fp, signCode(t, root.key, code))
		checkProblem(t, err, problem.Invalid, "Wrong Proof")
	})
	t.Run("no code", func(t *testing.T) {
		s := newStore("t1")
		s.add("t1", root)
		_, err := s.load(t).Prove(ctx, admin, "t1", fp, signCode(t, root.key, ""))
		checkProblem(t, err, problem.Unprocessable, "Cannot process certificate data <'"+fp+"'> for tenant <'t1'>.")
	})
	t.Run("another tenant's", func(t *testing.T) {
		_, v, _, _ := start(t)
		_, err := v.NewCode(ctx, admin, "t2", fp)
		checkProblem(t, err, problem.NotFound, "Cannot find certificate")
		_, err = v.Confirm(ctx, admin, "t2", fp)
		checkProblem(t, err, problem.NotFound, "Cannot find certificate")
	})
}

// TestProofEndsOtherClaims: two tenants hold certificates of one key. The
// later one proves it; the sessions of the earlier one end. When that one
// proves it too, nobody is let in and management hears of it.
func TestProofEndsOtherClaims(t *testing.T) {
	root := newRoot(t, "Root")
	again := root.twin(t)
	s := newStore("t1", "t2")
	s.add("t1", root)
	s.add("t2", again)
	v := s.load(t)
	leaf := chain(root.leaf(t, "dev1"))
	first := v.Verify(leaf, epoch)
	if first.Tenant != "t1" || v.StillTrusted(first, epoch) != platform.Accepted {
		t.Fatalf("%+v", first)
	}
	prove := func(tenant platform.TenantID, p *party) {
		t.Helper()
		row, err := v.NewCode(ctx, admin, tenant, p.fingerprint())
		if err == nil {
			_, err = v.Prove(ctx, admin, tenant, p.fingerprint(), signCode(t, root.key, row.ProofCode))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	prove("t2", again)
	second := v.Verify(leaf, epoch)
	if second.Tenant != "t2" || second.Scope != platform.Full {
		t.Fatalf("%+v", second)
	}
	if got := v.StillTrusted(first, epoch); got != platform.ReasonUnknownIssuer {
		t.Errorf("the session of t1: %q", got)
	}
	if got := v.StillTrusted(second, epoch); got != platform.Accepted {
		t.Errorf("the session of t2: %q", got)
	}
	quiet := len(s.audit)
	prove("t1", root)
	if got := v.Verify(leaf, epoch).Reason; got != platform.ReasonAmbiguous {
		t.Errorf("both proven: %q", got)
	}
	if got := v.StillTrusted(second, epoch); got != platform.ReasonAmbiguous {
		t.Errorf("the session of t2, both proven: %q", got)
	}
	alarms := 0
	for _, r := range s.audit[quiet:] {
		if r.Tenant == platform.Management && r.Severity == "critical" {
			alarms++
		}
	}
	if alarms != 1 {
		t.Errorf("%d critical records for management, want 1", alarms)
	}
}

func TestConfirm(t *testing.T) {
	root := newRoot(t, "Root")
	s := newStore("t1")
	s.add("t1", root)
	v := s.load(t)
	row, err := v.Confirm(ctx, platform.Principal{Tenant: platform.Management, User: "support"}, "t1", root.fingerprint())
	if err != nil || !row.Proven || !s.rows[0].Proven {
		t.Fatalf("proven %t, %v", row.Proven, err)
	}
	if len(s.audit) != 1 || s.audit[0].Tenant != "t1" || s.audit[0].User != "support" {
		t.Errorf("audit %+v", s.audit)
	}
}
