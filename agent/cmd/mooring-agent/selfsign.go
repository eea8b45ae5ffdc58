package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/internal/pki"
)

const (
	maxSelfSigned = 3650 // days
	// backdate lets servers whose clock is a little behind accept the certificate.
	backdate = 5 * time.Minute
	// maxCode bounds a verification code; the platform's have 64 characters.
	maxCode = 1024
)

var selfsignCommand = command{
	name:  "selfsign",
	short: "make a key and a self-signed certificate to upload",
	long: "Makes a key and a certificate that it signs itself, and prints what the\n" +
		"operator does to make the server trust it: upload it, and prove that the\n" +
		"device has its key.",
	example: "mooring-agent selfsign --server t1000.example.com --id dev1 --key tpm:",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		b := bring{program: p, place: p.addPlace(f)}
		b.aim.add(f)
		days := f.Int("days", 365, "how many `days` it is valid, 1 to 3650")
		return func(args []string) error {
			if len(args) > 0 {
				return usagef("selfsign takes no arguments")
			}
			if *days < 1 || *days > maxSelfSigned {
				return usagef("--days: must be 1 to %d", maxSelfSigned)
			}
			return b.selfsign(time.Duration(*days) * 24 * time.Hour)
		}
	},
}

func (b *bring) selfsign(life time.Duration) error {
	if err := b.settle(""); err != nil {
		return err
	}
	var leaf *x509.Certificate
	own := func(c *x509.Certificate) bool {
		leaf = c
		return bytes.Equal(c.RawIssuer, c.RawSubject) && c.Subject.CommonName == b.config.DeviceID
	}
	err := b.with(own, func(ctx context.Context, number uint32) error {
		id, err := b.ids.Prepare(ctx, number, number, time.Now())
		if err != nil {
			return err
		}
		// It is that of an authority: only those can be uploaded (contract mqtt.md §1.6).
		begin := time.Now().Add(-backdate)
		if leaf, err = pki.CreateSelfSigned(rand.Reader, id.Signer, b.config.DeviceID, begin, begin.Add(life)); err != nil {
			return err
		}
		return b.ids.SaveChain(ctx, number, pki.Chain{leaf})
	})
	if err != nil {
		return err
	}
	b.program.explainUpload(b.config, leaf)
	return nil
}

// explainUpload prints the operator's commands (contract rest.md §3.1, §3.2).
func (p *program) explainUpload(c config.Config, leaf *x509.Certificate) {
	sum := pki.Fingerprint(leaf)
	fmt.Fprintf(p.stdout, `made a certificate for %s, valid to %s

%s
Upload it, as a user who may manage trusted certificates:

  export BASE=https://%s/tenant/tenants/TENANT/trusted-certificates
  curl -u USER -H 'Content-Type: application/json' "$BASE" -d '{"name":"%s","status":"ENABLED","autoRegistrationEnabled":true,"certInPemFormat":"%s"}'

Prove that the device has its key:

  curl -u USER -X POST "$BASE-pop/%s/verification-code"     # shows proofOfPossessionUnsignedVerificationCode
  mooring-agent prove CODE
  curl -u USER -H 'Content-Type: application/json' "$BASE-pop/%s/pop" -d '{"proofOfPossessionSignedVerificationCode":"SIGNED"}'

Then start mooring-agent run.
`, c.DeviceID, leaf.NotAfter.UTC().Format(time.RFC3339), pki.EncodePEM(leaf), c.Address(c.HTTPSPort), c.DeviceID,
		base64.StdEncoding.EncodeToString(leaf.Raw), sum, sum)
}

var proveCommand = command{
	name:  "prove",
	args:  "CODE",
	short: "sign the code that proves possession of the device's key",
	long: "Signs the verification code of a trusted certificate with the device's key,\n" +
		"and prints the signature in base64, as the server wants it.",
	example: "mooring-agent prove 2f1c…",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		place := p.addPlace(f)
		return func(args []string) error {
			if len(args) != 1 || args[0] == "" || len(args[0]) > maxCode {
				return usagef("prove takes one code of at most %d characters", maxCode)
			}
			return p.prove(place, args[0])
		}
	},
}

func (p *program) prove(place *place, code string) error {
	c, err := place.valid()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute+2*agent.MeasuredSignLimit(p.fsys, c))
	defer cancel()
	keys, ids, err := p.openIdentity(ctx, c)
	if err != nil {
		return err
	}
	defer func() { _ = keys.Close() }() // what it was opened for has been done
	found, err := ids.Find(ctx)
	if err != nil {
		return err
	}
	if found.Current == nil {
		return agent.WithHint(errors.New("the device has no certificate"), "make one with mooring-agent selfsign, or import one")
	}
	digest := sha256.Sum256([]byte(code))
	signature, err := found.Current.Signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return fmt.Errorf("sign the code: %w", err)
	}
	fmt.Fprintln(p.stdout, base64.StdEncoding.EncodeToString(signature))
	return nil
}
