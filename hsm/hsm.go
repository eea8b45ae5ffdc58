// Package hsm opens key stores and sealers by URI. It is the only package that
// knows every backend; all others see hsm/key.
//
//	file:/path/to/directory   a directory of key files (hsm/filekey)
//	file:/path/to/file        for a sealer: a file of 32 random bytes
//	tpm:?dir=/path/to/dir     the TPM at /dev/tpmrm0 and a directory of its key files (hsm/tpmkey)
//	tpm:/dev/tpmrm1           for a sealer: that TPM
//	pkcs11:token=x?…          a PKCS#11 token (RFC 7512, hsm/pkcs11key), for both
package hsm

import (
	"context"
	"crypto"
	"net/url"
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
	path, err := filePath(uri)
	if err != nil {
		return nil, err
	}
	return filekey.Open(durable.OS, path)
}

// ParseKey reads the private key of a PEM file as other programs write it, also
// an encrypted one: see filekey.ParseKey.
func ParseKey(text, passphrase []byte) (crypto.Signer, error) {
	return filekey.ParseKey(text, passphrase)
}

// OpenSealer opens the sealer that uri names, under the same rules.
func OpenSealer(ctx context.Context, uri string) (key.Sealer, error) {
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
		return pkcs11key.OpenSealer(ctx, l)
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
