package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/agent/identity"
	"mooring/hsm"
	"mooring/hsm/key"
	"mooring/internal/pki"
)

var importCommand = command{
	name:  "import",
	short: "use a certificate and key that the device brings with it",
	long: "Makes a certificate that exists already the device's identity: from the\n" +
		"factory, or of your own issuer, which the server must trust. The file holds\n" +
		"the chain in PEM, in any order, or is PKCS#12 and holds the key, too. Else\n" +
		"the key is found in the key store, or taken into it from --key-file. The CN\n" +
		"of the leaf is the device ID.",
	example: "mooring-agent import --server t1000.example.com --cert chain.pem --key-file device.key",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		b := bring{program: p, place: p.addPlace(f)}
		b.aim.add(f)
		f.StringVar(&b.chainFile, "cert", "", "PEM `file` with the chain, or PKCS#12 file with chain and key")
		f.StringVar(&b.keyFile, "key-file", "", "PEM or PKCS#12 `file` with the key (default: it is in the key store)")
		f.StringVar(&b.passphrase, "passphrase-file", "", "`file` whose first line opens the file with the key; - is standard input")
		return func(args []string) error {
			if len(args) > 0 || b.chainFile == "" {
				return usagef("import takes --cert FILE and no arguments")
			}
			return b.take()
		}
	},
}

// bring is an identity that does not come from the server.
type bring struct {
	program *program
	place   *place
	aim     aim

	chainFile, keyFile, passphrase string
	signer                         crypto.Signer // nil: the chain's file holds no key

	config config.Config
	keys   key.Store
	ids    *identity.Store
}

// settle reads the configuration with the flags over it.
func (b *bring) settle(cn string) (err error) {
	if b.config, err = b.place.load(); err != nil {
		return err
	}
	if err := b.aim.apply(&b.config); err != nil {
		return err
	}
	if cn != "" {
		if b.aim.id != "" && b.aim.id != cn {
			return usagef("the certificate is that of %q, and --id says %q", cn, b.aim.id)
		}
		b.config.DeviceID = cn
	}
	if err := b.config.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// with lends the locked state directory of a device that has no identity in
// force to do, which makes a candidate of generation number, and puts that in
// force. An identity in force that is the same as what do would make is left as
// it is: the command came to its end before, and was not heard.
func (b *bring) with(same func(*x509.Certificate) bool, do func(ctx context.Context, number uint32) error) error {
	c := b.config
	if err := b.program.makeState(c.State); err != nil {
		return err
	}
	release, err := b.program.lock(c.State)
	if errors.Is(err, identity.ErrLocked) {
		return agent.WithHint(err, "stop the running agent first")
	}
	if err != nil {
		return b.program.stateError(c.State, err)
	}
	defer release()
	ctx, cancel := context.WithTimeout(b.program.ctx, keystoreLimit)
	defer cancel()
	if b.keys, err = b.program.openKeys(ctx, c.KeyURI()); err != nil {
		return err
	}
	defer func() { _ = b.keys.Close() }()
	agent.PrepareKeys(b.program.fsys, c, b.keys)
	if b.ids, err = agent.OpenIdentities(b.program.fsys, c, b.keys); err != nil {
		return err
	}
	found, err := b.ids.Find(ctx)
	if err != nil {
		return err
	}
	number := found.Highest + 1
	if old := found.Current; old != nil && time.Now().Before(old.Chain.Leaf().NotAfter) {
		if leaf := old.Chain.Leaf(); !same(leaf) {
			return agent.WithHint(fmt.Errorf("%s has a certificate in force, valid to %s", c.DeviceID, leaf.NotAfter.UTC().Format(time.RFC3339)),
				"it is not replaced, because the new one has not connected yet; name another directory with --state, or move this one away")
		}
		number = old.Number
		fmt.Fprintln(b.program.stderr, "mooring-agent: note: the device has this certificate already")
	} else if err := do(ctx, number); err != nil {
		return err
	}
	// Before the certificate is in force: what names the device must not be missing
	// then.
	if err := b.config.Save(b.program.fsys); err != nil {
		return err
	}
	if err := b.ids.Commit(ctx, number); err != nil {
		return err
	}
	if err := b.ids.Sweep(ctx, number); err != nil {
		fmt.Fprintf(b.program.stderr, "mooring-agent: warning: %v\n", err)
	}
	return nil
}

func (b *bring) take() error {
	chain, err := b.readChain()
	if err != nil {
		return err
	}
	cn, err := pki.CommonName(chain.Leaf().RawSubject)
	if err != nil {
		return err
	}
	if err := b.settle(cn); err != nil {
		return err
	}
	err = b.with(chain.Leaf().Equal, func(ctx context.Context, number uint32) error { return b.adopt(ctx, number, chain) })
	if err != nil {
		return err
	}
	fmt.Fprintf(b.program.stdout, "imported %s\nissuer   %s\nvalid to %s\n", cn, chain.Leaf().Issuer, chain.Leaf().NotAfter.UTC().Format(time.RFC3339))
	return nil
}

// readChain reads the chain, and the key if it is in the same file.
func (b *bring) readChain() (pki.Chain, error) {
	text, err := b.program.readFile(b.chainFile)
	if err != nil {
		return nil, err
	}
	var found bundle
	var public crypto.PublicKey
	if hsm.MaybePKCS12(text) {
		if found, err = b.program.readBundle(b.chainFile, b.passphrase, text); err != nil {
			return nil, err
		}
		if found.signer != nil {
			public, b.signer = found.signer.Public(), found.signer
		}
	} else if found.certs, err = pki.ParsePEMChain(text); err != nil {
		return nil, agent.WithHint(fmt.Errorf("%s: %w", b.chainFile, err), or(pki.ForeignForm(text, b.chainFile), "the file holds the device's certificate and those of its issuers"))
	}
	chain, rest, err := pki.OrderChain(found.certs, public)
	if err != nil {
		return nil, agent.WithHint(fmt.Errorf("%s: %w", b.chainFile, err), "the file holds the device's certificate and those of its issuers, and nothing else")
	}
	for _, c := range rest {
		fmt.Fprintf(b.program.stderr, "mooring-agent: warning: %s: the certificate of %s has no part in the chain and is left out\n", b.chainFile, c.Subject)
	}
	return chain, nil
}

// adopt makes generation number of the chain. A key that was in the store before
// stays there.
func (b *bring) adopt(ctx context.Context, number uint32, chain pki.Chain) error {
	if b.keyFile == "" && b.signer == nil {
		ref, _, err := agent.FindKey(ctx, b.keys, chain)
		if err != nil {
			return agent.WithHint(err, "name its file with --key-file, or its key store with --key")
		}
		return b.ids.Adopt(ctx, number, ref, chain, time.Now())
	}
	k := &keystore{program: b.program, passphrase: b.passphrase, keys: b.keys}
	into, err := k.importer()
	signer := b.signer
	if b.keyFile != "" {
		into, signer, err = k.parse(b.keyFile)
	}
	if err != nil {
		return err
	}
	if !pki.KeyMatches(chain.Leaf(), signer) {
		return fmt.Errorf("%s is not the key of the certificate", b.keyFile)
	}
	take := func(label string) (key.Ref, error) { return into.Import(ctx, signer, label) }
	return b.ids.Import(ctx, number, take, chain, time.Now())
}
