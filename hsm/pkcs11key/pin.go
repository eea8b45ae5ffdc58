package pkcs11key

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxPINBytes bounds a PIN. Tokens take 255 bytes at most.
const maxPINBytes = 255

// splitPINSource takes pin-source apart (RFC 7512 §2.4): where it is and under
// which name. Programs, which the RFC allows, are not run.
func splitPINSource(source string) (kind, name string, err error) {
	if name, ok := strings.CutPrefix(source, "credential:"); ok {
		if name == "" || strings.ContainsAny(name, "/\x00") || name == "." || name == ".." {
			return "", "", refuse("pin-source=credential: wants the name of a systemd credential")
		}
		return "credential", name, nil
	}
	path := source
	if strings.HasPrefix(source, "file:") {
		u, err := url.Parse(source)
		if err != nil || u.Host != "" || u.RawQuery != "" || u.Fragment != "" {
			return "", "", refuse("pin-source in a pkcs11: URI is no good file: URI")
		}
		path = u.Path
	}
	if !filepath.IsAbs(path) {
		return "", "", refuse("pin-source in a pkcs11: URI is file:/path or credential:NAME")
	}
	return "file", filepath.Clean(path), nil
}

// readPIN reads the PIN, which is read again whenever the token is opened.
func readPIN(source string) ([]byte, error) {
	if source == "" {
		return nil, nil
	}
	kind, path, err := splitPINSource(source)
	if err != nil {
		return nil, err
	}
	if kind == "credential" {
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return nil, &Error{Kind: PIN, Text: "there are no systemd credentials", Hint: "set LoadCredential= or LoadCredentialEncrypted= in the unit"}
		}
		path = filepath.Join(dir, path)
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for its writer
	if err != nil {
		return nil, &Error{Kind: PIN, Text: "the PIN cannot be read", Hint: "write it to the file that pin-source names, readable for this user alone", err: err}
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, &Error{Kind: PIN, Text: "the PIN cannot be read", err: err}
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o007 != 0 {
		return nil, &Error{Kind: PIN, Text: "the PIN file " + path + " is no regular file, or others may read it", Hint: "run chmod 600 " + path}
	}
	return trimPIN(file, path)
}

func trimPIN(r io.Reader, path string) ([]byte, error) {
	pin, err := io.ReadAll(io.LimitReader(r, maxPINBytes+3))
	if err != nil && !errors.Is(err, fs.ErrClosed) {
		return nil, &Error{Kind: PIN, Text: "the PIN cannot be read", err: err}
	}
	pin = bytes.TrimSuffix(bytes.TrimSuffix(pin, []byte("\n")), []byte("\r"))
	if len(pin) == 0 || len(pin) > maxPINBytes || bytes.ContainsAny(pin, "\x00\r\n") {
		return nil, &Error{Kind: PIN, Text: "the PIN file " + path + " does not hold one line of 1 to 255 bytes"}
	}
	return pin, nil
}
