// Package hsm opens key stores and sealers by URI. It is the only package that
// knows every backend; all others see hsm/key.
//
//	file:/path/to/directory   a directory of key files (hsm/filekey)
//	file:/path/to/directory?passphrase-file=/path   the same, the keys encrypted with what the file holds
//	file:/path/to/directory?passphrase-credential=NAME   with a systemd credential
//	file:/path/to/file        for a sealer: a file of 32 random bytes
//	tpm:?dir=/path/to/dir     the TPM at /dev/tpmrm0 and a directory of its key files (hsm/tpmkey)
//	tpm:/dev/tpmrm1           for a sealer: that TPM
//	pkcs11:token=x?…          a PKCS#11 token (RFC 7512, hsm/pkcs11key), for both
package hsm

import (
	"context"
	"crypto"
	"crypto/x509"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"mooring/hsm/filekey"
	"mooring/hsm/key"
	"mooring/hsm/pkcs11key"
	"mooring/hsm/tpmkey"
	"mooring/internal/durable"
	"mooring/internal/problem"
)

// Open opens the key store that uri names. A URI that is malformed or names a
// backend this build does not have is problem.Unprocessable.
func Open(ctx context.Context, uri string) (key.Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if isTPM(uri) {
		l, err := tpmkey.ParseURI(uri)
		if err != nil {
			return nil, err
		}
		return tpmkey.Open(durable.OS, l)
	}
	if isPKCS11(uri) {
		l, err := pkcs11key.ParseURI(uri)
		if err != nil {
			return nil, err
		}
		return pkcs11key.Open(l)
	}
	bare, passphrase, err := cutPassphrase(uri)
	if err != nil {
		return nil, err
	}
	path, err := filePath(bare)
	if err != nil {
		return nil, err
	}
	if passphrase != "" {
		return filekey.OpenEncrypted(durable.OS, path, passphrase)
	}
	return filekey.Open(durable.OS, path)
}

// cutPassphrase takes the query of a file: URI off and returns the file that the
// passphrase is in, empty if none is named.
func cutPassphrase(uri string) (bare, file string, err error) {
	bare, query, found := strings.Cut(uri, "?")
	if !found || strings.Contains(query, "#") {
		return uri, "", nil // filePath judges it
	}
	bad := refuse("after ? a file: URI has passphrase-file=/path or passphrase-credential=NAME")
	values, err := url.ParseQuery(query)
	if err != nil || len(values) != 1 {
		return "", "", bad
	}
	path, name := values["passphrase-file"], values["passphrase-credential"]
	switch {
	case len(path) == 1 && filepath.IsAbs(path[0]):
		return bare, filepath.Clean(path[0]), nil
	case len(name) == 1 && name[0] != "" && name[0] != "." && name[0] != ".." && !strings.ContainsAny(name[0], "/\x00"):
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if !filepath.IsAbs(dir) {
			return "", "", refuse("there are no systemd credentials: set LoadCredential= or LoadCredentialEncrypted= in the unit")
		}
		return bare, filepath.Join(dir, name[0]), nil
	}
	return "", "", bad
}

// ParseKey reads the private key of a PEM file as other programs write it, also
// an encrypted one: see filekey.ParseKey.
func ParseKey(text, passphrase []byte) (crypto.Signer, error) {
	return filekey.ParseKey(text, passphrase)
}

// MaybePKCS12 is filekey.MaybePKCS12.
func MaybePKCS12(b []byte) bool { return filekey.MaybePKCS12(b) }

// ParsePKCS12 is filekey.ParsePKCS12.
func ParsePKCS12(ctx context.Context, b, passphrase []byte) (crypto.Signer, []*x509.Certificate, error) {
	return filekey.ParsePKCS12(ctx, b, passphrase)
}

// MakeCredential is tpmkey.MakeCredential.
func MakeCredential(ekPublic, name, secret []byte) (credential, encrypted []byte, err error) {
	return tpmkey.MakeCredential(ekPublic, name, secret)
}

// OpenSealer opens the sealer that uri names, under the same rules. In the
// directory notes a token's refusal of its PIN is remembered (key.Rememberer);
// empty: nowhere.
func OpenSealer(ctx context.Context, uri, notes string) (key.Sealer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if isTPM(uri) {
		l, err := tpmkey.ParseURI(uri)
		if err != nil {
			return nil, err
		}
		return tpmkey.OpenSealer(ctx, l)
	}
	if isPKCS11(uri) {
		l, err := pkcs11key.ParseURI(uri)
		if err != nil {
			return nil, err
		}
		return pkcs11key.OpenSealer(ctx, l, notes)
	}
	path, err := filePath(uri)
	if err != nil {
		return nil, err
	}
	return filekey.OpenSealer(durable.OS, path)
}

func isTPM(uri string) bool { return strings.HasPrefix(uri, "tpm:") }

func isPKCS11(uri string) bool {
	scheme, _, found := strings.Cut(uri, ":")
	return found && strings.EqualFold(scheme, "pkcs11")
}

// filePath returns the absolute path of a file: URI (RFC 8089 without a host).
// The URI is not repeated in errors, because a pkcs11: URI may hold a PIN.
func filePath(uri string) (string, error) {
	scheme, rest, found := strings.Cut(uri, ":")
	if !found {
		return "", refuse("a key URI starts with file:, tpm: or pkcs11:")
	}
	if !strings.EqualFold(scheme, "file") {
		return "", refuse("a key URI starts with file:, tpm: or pkcs11:")
	}
	if !strings.HasPrefix(rest, "/") {
		return "", refuse("a file: URI needs an absolute path, as in file:/var/lib/mooring/keys")
	}
	u, err := url.Parse("file:" + rest)
	if err != nil || u.Host != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Path == "" {
		return "", refuse("a file: URI is a path alone, without host, query or fragment")
	}
	return u.Path, nil
}

func refuse(detail string) error { return problem.New(problem.Unprocessable, detail, nil) }
