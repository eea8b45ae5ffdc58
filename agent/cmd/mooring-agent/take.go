package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"mooring/agent"
	"mooring/hsm"
	"mooring/hsm/key"
	"mooring/internal/pki"
)

// maxKeyFile bounds a file to import.
const maxKeyFile = 256 << 10

// pkcs12Limit bounds what a PKCS#12 file may ask for: other programs have the
// passphrase hashed some thousand times, which takes less than a second.
const pkcs12Limit = time.Minute

// readFile reads a file that is named on the command line.
func (p *program) readFile(name string) ([]byte, error) {
	text, err := p.read(name, maxKeyFile+1)
	if err == nil && len(text) > maxKeyFile {
		err = fmt.Errorf("%s is longer than %d bytes", name, maxKeyFile)
	}
	return text, err
}

// read reads at most limit bytes of a file, - being standard input. A terminal or a
// pipe may let it wait until the program is told to stop.
func (p *program) read(name string, limit int64) ([]byte, error) {
	type got struct {
		text []byte
		err  error
	}
	done := make(chan got, 1)
	go func() {
		in := p.stdin
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				done <- got{err: err}
				return
			}
			defer func() { _ = f.Close() }() // nothing was written
			in = f
		}
		text, err := io.ReadAll(io.LimitReader(in, limit))
		done <- got{text, err}
	}()
	select {
	case g := <-done:
		return g.text, g.err
	case <-p.ctx.Done():
		return nil, fmt.Errorf("interrupted while waiting for %s", name)
	}
}

// bundle is what a file to import holds.
type bundle struct {
	signer crypto.Signer // nil: a trust store
	certs  []*x509.Certificate
}

// readBundle reads a PKCS#12 file.
func (p *program) readBundle(name, passphraseFile string, b []byte) (found bundle, err error) {
	ctx, cancel := context.WithTimeout(p.ctx, pkcs12Limit)
	defer cancel()
	passphrase, err := p.passphrase(passphraseFile)
	if err != nil {
		return found, err
	}
	if found.signer, found.certs, err = hsm.ParsePKCS12(ctx, b, passphrase); err != nil {
		err = agent.WithHint(fmt.Errorf("%s: %w", name, err),
			"a passphrase is read from --passphrase-file; keytool makes PKCS#12 of a JKS file: keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12")
	}
	return found, err
}

// passphrase reads the first line of file; nil if it is empty.
func (p *program) passphrase(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	secret, err := p.readLine("passphrase", file)
	if err != nil {
		return nil, err
	}
	return []byte(secret.Reveal()), nil
}

// take imports a key.
func (k *keystore) take(ctx context.Context, args []string) error {
	into, signer, err := k.parse(args[0])
	if err != nil {
		return err
	}
	ref, err := into.Import(ctx, signer, k.label)
	if err != nil {
		return err
	}
	return k.printName(ref, signer)
}

// certs prints the certificates of a PKCS#12 file, those of a chain in order.
func (k *keystore) certs(_ context.Context, args []string) error {
	b, err := k.program.readFile(args[0])
	if err != nil {
		return err
	}
	found, err := k.program.readBundle(args[0], k.passphrase, b)
	if err != nil {
		return err
	}
	if found.signer != nil {
		chain, rest, err := pki.OrderChain(found.certs, found.signer.Public())
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		found.certs = append(chain, rest...)
	}
	_, err = k.program.stdout.Write(pki.EncodePEM(found.certs...))
	return err
}

// importer is the key store, if it takes keys.
func (k *keystore) importer() (key.Importer, error) {
	into, ok := k.keys.(key.Importer)
	if !ok {
		return nil, agent.WithHint(errors.New("this key store makes its keys itself and takes none"), "import into a file: store, or enrol, which makes a new key")
	}
	return into, nil
}

// parse reads the key of a PEM or PKCS#12 file, for a key store that takes it.
func (k *keystore) parse(name string) (key.Importer, crypto.Signer, error) {
	into, err := k.importer()
	if err != nil {
		return nil, nil, err
	}
	text, err := k.program.readFile(name)
	if err != nil {
		return nil, nil, err
	}
	if hsm.MaybePKCS12(text) {
		found, err := k.program.readBundle(name, k.passphrase, text)
		if err == nil && found.signer == nil {
			err = fmt.Errorf("%s is a trust store: it holds no key", name)
		}
		return into, found.signer, err
	}
	passphrase, err := k.program.passphrase(k.passphrase)
	if err != nil {
		return nil, nil, err
	}
	signer, err := hsm.ParseKey(text, passphrase)
	if err != nil {
		return nil, nil, agent.WithHint(fmt.Errorf("%s: %w", name, err), or(pki.ForeignForm(text, name), "a passphrase is read from --passphrase-file"))
	}
	return into, signer, nil
}
