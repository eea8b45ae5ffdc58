package trust

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// Sizes and times of a proof of possession (rest.md §3.2).
const (
	// CodeLifetime is how long a verification code may be used.
	CodeLifetime = 12 * time.Hour
	// codeCharacters is how many random characters a code has before base64.
	codeCharacters = 32
	// MaxSignatureText bounds the text of a signature: one of RSA 8192 has 1,368
	// characters, the rest is room for line breaks.
	MaxSignatureText = 4096
)

// Codes of errors of proofs of possession.
const (
	codeWrongProof  = "tenants/Bad Request"
	codeNoProof     = "tenants/Unprocessable Entity"
	codeBadProof    = "tenants/Invalid Data"
	codeAlphabet    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	unbiasedLetters = 256 - 256%len(codeAlphabet)
)

// NewCode gives the trusted certificate a new verification code, which the
// tenant must sign with the certificate's key within CodeLifetime. The code
// before it is good for nothing any more; a proof that was completed stays.
func (t *Trust) NewCode(ctx context.Context, actor platform.Principal, tenant platform.TenantID, fingerprint string) (platform.TrustedCertificate, error) {
	row, err := t.Get(ctx, tenant, fingerprint)
	if err != nil {
		return row, err
	}
	now := platform.Millis(t.cfg.Now())
	row.ProofCode, row.ProofUntil = randomCode(), now.Add(CodeLifetime)
	err = t.cfg.Certificates.SetProofCode(ctx, tenant, row.Fingerprint, row.ProofCode, row.ProofUntil,
		auditOf("proof of possession started on", row, actor, now))
	if errors.Is(err, problem.NotFound) {
		return row, notFound(fingerprint, err)
	}
	if err != nil {
		return row, fmt.Errorf("set verification code of %s: %w", row.Fingerprint, err)
	}
	return row, nil
}

// randomCode is base64 text of random letters and digits: 44 characters.
func randomCode() string {
	text := make([]byte, 0, codeCharacters)
	var b [1]byte
	for len(text) < codeCharacters {
		_, _ = rand.Read(b[:]) // never fails (crypto/rand)
		if int(b[0]) < unbiasedLetters {
			text = append(text, codeAlphabet[int(b[0])%len(codeAlphabet)])
		}
	}
	return base64.StdEncoding.EncodeToString(text)
}

// Prove completes the proof of possession with signature: base64, line breaks
// allowed, of a signature over the code as text. It is made by RSA PKCS #1
// v1.5 or ECDSA in ASN.1, each with SHA-256, or by Ed25519. From then on the
// tenant's claim wins over claims of the same key that nobody proved.
//
// Errors: problem.Invalid for a wrong signature or an expired code,
// problem.Unprocessable for what is no signature or if there is no code.
func (t *Trust) Prove(ctx context.Context, actor platform.Principal, tenant platform.TenantID, fingerprint, signature string) (platform.TrustedCertificate, error) {
	row, err := t.Get(ctx, tenant, fingerprint)
	if err != nil {
		return row, err
	}
	if row.ProofCode == "" {
		return row, problem.WithCode(problem.Unprocessable, codeNoProof,
			fmt.Sprintf("Cannot process certificate data <'%s'> for tenant <'%s'>.", row.Fingerprint, tenant), nil)
	}
	raw, err := parseSignature(signature)
	if err != nil {
		return row, problem.WithCode(problem.Unprocessable, codeBadProof,
			fmt.Sprintf("Cannot process user certificate data <'%s'> for tenant <'%s'>.", row.Fingerprint, tenant), err)
	}
	if t.cfg.Now().After(row.ProofUntil) {
		return row, problem.WithCode(problem.Invalid, codeWrongProof,
			fmt.Sprintf("Proof of possession verification code used for tenant %s expired. Certificate %s, usage not granted.", tenant, row.Fingerprint), nil)
	}
	if err := checkPossession(row.Certificate, row.ProofCode, raw); err != nil {
		return row, wrongProof(row, err)
	}
	return t.prove(ctx, actor, row, row.ProofCode, "proof of possession completed on")
}

func wrongProof(row platform.TrustedCertificate, cause error) error {
	return problem.WithCode(problem.Invalid, codeWrongProof, fmt.Sprintf(
		"Wrong Proof Of Possession plaintext used for tenant <'%s'>. Certificate <'%s'>, usage not granted.", row.Tenant, row.Fingerprint), cause)
}

// Confirm completes the proof of possession on the word of whoever administers
// the instance.
func (t *Trust) Confirm(ctx context.Context, actor platform.Principal, tenant platform.TenantID, fingerprint string) (platform.TrustedCertificate, error) {
	row, err := t.Get(ctx, tenant, fingerprint)
	if err != nil {
		return row, err
	}
	return t.prove(ctx, actor, row, "", "proof of possession confirmed on")
}

// prove records the proof. If the key has been proved by another tenant, too,
// devices of both are refused from now on: the management tenant hears of it.
func (t *Trust) prove(ctx context.Context, actor platform.Principal, row platform.TrustedCertificate, code, what string) (platform.TrustedCertificate, error) {
	now := platform.Millis(t.cfg.Now())
	audit := []platform.AuditRecord{auditOf(what, row, actor, now)}
	if rival := t.rival(row); rival != "" {
		t.cfg.Log.Error("two tenants have proved possession of one key: devices below it are refused",
			"tenant", row.Tenant, "other_tenant", rival, "fingerprint", row.Fingerprint)
		audit = append(audit, platform.AuditRecord{
			Tenant: platform.Management, At: now, Type: "TrustedCertificates", User: actor.User, Source: row.Fingerprint, Severity: "critical",
			Activity: "Proof of possession of one key by two tenants.",
			Text:     fmt.Sprintf("Tenants '%s' and '%s' have both proved possession. Devices below it are refused until one of the certificates is deleted.", row.Tenant, rival),
		})
	}
	err := t.cfg.Certificates.SetProven(ctx, row.Tenant, row.Fingerprint, code, audit...)
	switch {
	case errors.Is(err, problem.NotFound):
		return row, notFound(row.Fingerprint, err)
	case errors.Is(err, problem.Conflict): // a newer code has been made
		return row, wrongProof(row, err)
	case err != nil:
		return row, fmt.Errorf("record proof of possession of %s: %w", row.Fingerprint, err)
	}
	row.Proven = true
	return row, t.changed(ctx, row)
}

// rival is another tenant that has proved possession of row's key, if any.
func (t *Trust) rival(row platform.TrustedCertificate) platform.TenantID {
	a, err := newAnchor(row)
	if err != nil {
		return ""
	}
	g, ok := t.current.Load().groups.get(a.group)
	if !ok {
		return ""
	}
	for _, claim := range g.claims {
		if claim.proven() && claim.row.Tenant != row.Tenant {
			return claim.row.Tenant
		}
	}
	return ""
}

// parseSignature decodes base64 with or without padding and white space.
func parseSignature(text string) ([]byte, error) {
	if len(text) > MaxSignatureText {
		return nil, fmt.Errorf("the signature is longer than %d characters", MaxSignatureText)
	}
	text = strings.TrimRight(strings.Join(strings.Fields(text), ""), "=")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err == nil && len(raw) == 0 {
		err = errors.New("the signature is empty")
	}
	return raw, err
}

// checkPossession verifies a signature over the text of code with the key of a
// certificate.
func checkPossession(der []byte, code string, signature []byte) error {
	c, err := pki.ParseDER(der)
	if err != nil {
		return err
	}
	var algorithm x509.SignatureAlgorithm
	switch c.PublicKey.(type) {
	case *rsa.PublicKey:
		algorithm = x509.SHA256WithRSA
	case *ecdsa.PublicKey:
		algorithm = x509.ECDSAWithSHA256
	case ed25519.PublicKey:
		algorithm = x509.PureEd25519
	default:
		return fmt.Errorf("no proof of possession for keys of type %T", c.PublicKey)
	}
	return c.CheckSignature(algorithm, []byte(code), signature)
}
