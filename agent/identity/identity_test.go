package identity_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mooring/agent/identity"
	"mooring/hsm/filekey"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/pki"
)

var (
	ctx   = context.Background()
	start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
)

// issuer signs whatever a test wants signed.
type issuer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "t1000"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: start, NotAfter: start.AddDate(3, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	return &issuer{cert: cert, key: k}
}

func (i *issuer) issue(t testing.TB, pub crypto.PublicKey, serial int64) pki.Chain {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "dev1"},
		NotBefore: start, NotAfter: start.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, i.cert, pub, i.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	return pki.Chain{cert, i.cert}
}

const dir = "/state"

// opener opens a disk with the keys of one kind of store.
type opener func(fsys durable.FS) (*identity.Store, key.Store, error)

func open(fsys durable.FS) (*identity.Store, key.Store, error) {
	return openWith(fsys, func() (key.Store, error) { return filekey.Open(fsys, dir+"/keys") })
}

func openWith(fsys durable.FS, openKeys func() (key.Store, error)) (*identity.Store, key.Store, error) {
	if err := durable.MkdirAll(fsys, dir, 0o700); err != nil {
		return nil, nil, err
	}
	keys, err := openKeys()
	if err != nil {
		return nil, nil, err
	}
	s, err := identity.Open(fsys, dir, keys)
	return s, keys, err
}

// generation makes a candidate, of its own key or that of keyOf.
func generation(t testing.TB, s *identity.Store, ca *issuer, number, keyOf uint32) error {
	id, err := s.Prepare(ctx, number, keyOf, start)
	if err != nil {
		return err
	}
	return s.SaveChain(ctx, number, ca.issue(t, id.Signer.Public(), int64(number)+100))
}

// TestFullDisk: every step that fails leaves the identity, and an error.
func TestFullDisk(t *testing.T) {
	ca := newIssuer(t)
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			clean := durabletest.New()
			first := prepare(t, open, clean, sc, ca)
			s, _, _ := open(clean)
			_ = sc.run(t, s, ca)
			for n := first; n < clean.Steps(); n++ {
				fsys := durabletest.New()
				prepare(t, open, fsys, sc, ca)
				fsys.FailAt(n, syscall.ENOSPC)
				if s, _, err := open(fsys); err == nil {
					err = sc.run(t, s, ca)
					if err != nil && !errors.Is(err, syscall.ENOSPC) && !strings.Contains(err.Error(), "generation") {
						t.Errorf("step %d: got %v", n, err)
					}
				}
				if msg := afterCut(t, open, fsys, sc.before != nil); msg != "" {
					t.Errorf("step %d: %s", n, msg)
				}
			}
		})
	}
}

func TestCommitFlips(t *testing.T) {
	ca, fsys := newIssuer(t), durabletest.New()
	s, _, err := open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if err := enrolSteps(t, s, ca); err != nil {
		t.Fatal(err)
	}
	if err := generation(t, s, ca, 2, 2); err != nil {
		t.Fatal(err)
	}
	found, err := s.Find(ctx)
	if err != nil || found.Current.Number != 1 || found.Next.Number != 2 || found.Highest != 2 {
		t.Fatalf("got %+v, %v", found, err)
	}
	if err := s.RollBack(1); err == nil {
		t.Error("the current generation was rolled back")
	}
	if err := s.Commit(ctx, 2); err != nil {
		t.Fatal(err)
	}
	found, err = s.Find(ctx)
	if err != nil || found.Current.Number != 2 || found.Next != nil {
		t.Fatalf("got %+v, %v", found, err)
	}
	if link, _ := fsys.ReadLink(dir + "/current"); link != "generations/0002" {
		t.Errorf("current leads to %q", link)
	}
}

func TestForeignCertificateIsRefused(t *testing.T) {
	ca := newIssuer(t)
	s, _, _ := open(durabletest.New())
	if _, err := s.Prepare(ctx, 1, 1, start); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveChain(ctx, 1, ca.issue(t, ca.key.Public(), 5)); err == nil {
		t.Error("a certificate for another key was stored")
	}
	if err := s.Commit(ctx, 1); err == nil {
		t.Error("a key without certificate was committed")
	}
}

// TestDamage: each fault of a state directory has a clear error with a hint.
func TestDamage(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   string
	}{
		{"metadata emptied", overwrite("generations/0001/identity.json", ""), "not readable"},
		{"metadata of another generation", overwrite("generations/0001/identity.json", `{"version":1,"number":7,"key_of":7}`), "another generation"},
		{"chain changed", overwrite("generations/0001/chain.pem", "x"), "digest does not fit"},
		{"chain too large", overwrite("generations/0001/chain.pem", strings.Repeat("x", 64<<10+1)), "at most 64 KiB"},
		{"digest gone", remove("generations/0001/digest"), "no certificate"},
		{"chain gone", remove("generations/0001/chain.pem"), "incomplete"},
		{"generation gone", remove("generations/0001"), "incomplete"},
		{"generation is a file", func(t *testing.T, dir string) {
			remove("generations/0001")(t, dir)
			overwrite("generations/0001", "")(t, dir)
		}, "incomplete"},
		{"keys are a file", func(t *testing.T, dir string) {
			remove("keys")(t, dir)
			overwrite("keys", "")(t, dir)
		}, "not a directory"},
		{"directory closed to its owner", func(t *testing.T, dir string) {
			if err := os.Chmod(dir, 0o500); err != nil {
				t.Fatal(err)
			}
		}, "mode 0500"},
		{"pointer is a file", func(t *testing.T, dir string) {
			remove("current")(t, dir)
			overwrite("current", "generations/0001")(t, dir)
		}, "not a symbolic link"},
		{"pointer leads out", func(t *testing.T, dir string) {
			remove("current")(t, dir)
			if err := os.Symlink("/etc/0001", filepath.Join(dir, "current")); err != nil {
				t.Fatal(err)
			}
		}, "does not lead to a generation"},
		{"key gone", remove("keys"), "no such key"},
		{"key readable by others", func(t *testing.T, dir string) {
			names, _ := filepath.Glob(filepath.Join(dir, "keys", "*.pem"))
			for _, n := range names {
				if err := os.Chmod(n, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}, "mode 0644"},
		{"key garbled", func(t *testing.T, dir string) {
			names, _ := filepath.Glob(filepath.Join(dir, "keys", "*.pem"))
			for _, n := range names {
				if err := os.WriteFile(n, []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}, "empty or damaged"},
		{"directory writable by others", func(t *testing.T, dir string) {
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}, "mode 0777"},
		{"foreign owner", func(t *testing.T, dir string) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a directory away")
			}
			if err := os.Chown(dir, 4711, 4711); err != nil {
				t.Fatal(err)
			}
		}, "belongs to user 4711"},
	}
	ca := newIssuer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			_, err := find(dir)
			if err != nil {
				t.Fatal(err)
			}
			keys, _ := filekey.Open(durable.OS, filepath.Join(dir, "keys"))
			s, err := identity.Open(durable.OS, dir, keys)
			if err != nil {
				t.Fatal(err)
			}
			if err := enrolSteps(t, s, ca); err != nil {
				t.Fatal(err)
			}
			tt.damage(t, dir)
			found, err := find(dir)
			if err == nil || found.Current != nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %+v and %v, want only %q", found, err, tt.want)
			}
			var hinted interface{ Hint() string }
			if !errors.As(err, &hinted) || hinted.Hint() == "" {
				t.Errorf("no hint with %v", err)
			}
		})
	}
}

func find(dir string) (identity.Found, error) {
	keys, err := filekey.Open(durable.OS, filepath.Join(dir, "keys"))
	if err != nil {
		return identity.Found{}, err
	}
	s, err := identity.Open(durable.OS, dir, keys)
	if err != nil {
		return identity.Found{}, err
	}
	return s.Find(ctx)
}

func overwrite(name, text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func remove(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	release, err := identity.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := identity.Lock(dir); !errors.Is(err, identity.ErrLocked) {
		t.Errorf("second lock: got %v, want %v", err, identity.ErrLocked)
	}
	release()
	release, err = identity.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := identity.Lock(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: got %v", err)
	}
}
