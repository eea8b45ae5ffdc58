package identity_test

import (
	"errors"
	mrand "math/rand/v2"
	"strings"
	"testing"

	"mooring/agent/identity"
	"mooring/hsm/key"
	"mooring/hsm/pkcs11key"
	"mooring/hsm/pkcs11key/p11test"
	"mooring/hsm/tpmkey"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/pki"
)

type scenario struct {
	name string
	// before must be done without a cut, and run is cut.
	before, run func(t testing.TB, s *identity.Store, ca *issuer) error
}

func enrolSteps(t testing.TB, s *identity.Store, ca *issuer) error {
	return errors.Join(generation(t, s, ca, 1, 1), s.Commit(ctx, 1), s.Sweep(ctx, 1, 0))
}

var scenarios = []scenario{
	{"enrol", nil, enrolSteps},
	{"renew", enrolSteps, func(t testing.TB, s *identity.Store, ca *issuer) error {
		if err := generation(t, s, ca, 2, 2); err != nil {
			return err
		}
		if err := s.Commit(ctx, 2); err != nil {
			return err
		}
		return s.Sweep(ctx, 2, 0)
	}},
	{"renew with the same key", enrolSteps, func(t testing.TB, s *identity.Store, ca *issuer) error {
		if err := generation(t, s, ca, 2, 1); err != nil {
			return err
		}
		if err := s.Commit(ctx, 2); err != nil {
			return err
		}
		return s.Sweep(ctx, 2, 0)
	}},
	{"roll back", enrolSteps, func(t testing.TB, s *identity.Store, ca *issuer) error {
		if err := generation(t, s, ca, 2, 2); err != nil {
			return err
		}
		if err := s.RollBack(2); err != nil {
			return err
		}
		return s.Sweep(ctx, 1, 0)
	}},
	{"roll back with the same key", enrolSteps, func(t testing.TB, s *identity.Store, ca *issuer) error {
		if err := generation(t, s, ca, 2, 1); err != nil {
			return err
		}
		if err := s.RollBack(2); err != nil {
			return err
		}
		return s.Sweep(ctx, 1, 0)
	}},
}

// TestPowerCuts stops each scenario at every step that changes the disk.
func TestPowerCuts(t *testing.T) { powerCuts(t, open, 4) }

// TestPowerCutsWithTPM does the same with the keys in a TPM.
func TestPowerCutsWithTPM(t *testing.T) {
	socket := swtpmtest.Start(t).Socket
	powerCuts(t, func(fsys durable.FS) (*identity.Store, key.Store, error) {
		return openWith(fsys, func() (key.Store, error) {
			return tpmkey.Open(fsys, tpmkey.Location{Device: socket, Dir: dir + "/keys"})
		})
	}, 4)
}

// TestPowerCutsWithPKCS11 does the same with the keys in a token. What a token
// has done stays done, whatever the disk loses.
func TestPowerCutsWithPKCS11(t *testing.T) {
	token := p11test.Start(t)
	token.AddToken(t, "device")
	keys := openToken(t, token.URI("device", ""))
	powerCuts(t, func(fsys durable.FS) (*identity.Store, key.Store, error) {
		return openWith(fsys, func() (key.Store, error) { return keys, nil })
	}, 3)
	empty(t, keys)
	if left := token.Objects(t, "device"); len(left) != 0 {
		t.Errorf("the token holds %v", left)
	}
}

// empty removes the keys that a power cut left as they should be, so that the
// next begins with an empty token. Key files go with their disk.
func empty(t *testing.T, keys key.Store) {
	t.Helper()
	refs, err := keys.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range refs {
		if err := keys.Destroy(ctx, ref); err != nil {
			t.Fatal(err)
		}
	}
}

func powerCuts(t *testing.T, open opener, ways uint64) {
	ca := newIssuer(t)
	cuts := 0
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			clean := durabletest.New()
			first := prepare(t, open, clean, sc, ca)
			s, _, err := open(clean)
			if err != nil {
				t.Fatal(err)
			}
			if err := sc.run(t, s, ca); err != nil {
				t.Fatal(err)
			}
			total := clean.Steps()
			_, keys, err := open(clean)
			if err != nil {
				t.Fatal(err)
			}
			empty(t, keys)
			for n := first; n <= total; n++ {
				for seed := range ways {
					fsys := durabletest.New()
					prepare(t, open, fsys, sc, ca)
					fsys.CutAt(n)
					if s, _, err := open(fsys); err == nil {
						_ = sc.run(t, s, ca)
					}
					cuts++
					switch seed {
					case 0:
						fsys = fsys.PowerLoss(nil)
					case 2:
						fsys = fsys.Restart()
					default:
						fsys = fsys.PowerLoss(mrand.New(mrand.NewPCG(seed, uint64(n))))
					}
					if msg := afterCut(t, open, fsys, sc.before != nil); msg != "" {
						t.Fatalf("cut before step %d, way %d: %s", n, seed, msg)
					}
					// What the next start destroyed must not come back to be needed.
					if msg := afterCut(t, open, fsys.PowerLoss(nil), sc.before != nil); msg != "" {
						t.Fatalf("cut before step %d, way %d, and again after the next start: %s", n, seed, msg)
					}
					if _, keys, err := open(fsys); err == nil {
						empty(t, keys)
					}
				}
			}
			t.Logf("%s: %d steps, each cut in %d ways", sc.name, total-first, ways)
		})
	}
	t.Logf("%d power cuts, all survived", cuts)
}

func prepare(t testing.TB, open opener, fsys *durabletest.FS, sc scenario, ca *issuer) int {
	t.Helper()
	if sc.before != nil {
		s, _, err := open(fsys)
		if err != nil {
			t.Fatal(err)
		}
		if err := sc.before(t, s, ca); err != nil {
			t.Fatal(err)
		}
	}
	return fsys.Steps()
}

// afterCut names what is wrong with a disk found after a power cut.
func afterCut(t testing.TB, open opener, fsys durable.FS, enrolled bool) string {
	s, keys, err := open(fsys)
	if err != nil {
		return err.Error()
	}
	found, err := s.Find(ctx)
	if err != nil {
		return err.Error()
	}
	if enrolled && found.Current == nil {
		return "the identity is gone"
	}
	kept := map[key.Ref]bool{}
	numbers := []uint32{0, 0}
	for i, id := range []*identity.Identity{found.Current, found.Next} {
		if id == nil {
			continue
		}
		numbers[i] = id.Number
		kept[id.KeyRef] = true
		if err := pki.SignVerify(id.Signer); err != nil {
			return err.Error()
		}
	}
	if err := s.Sweep(ctx, numbers...); err != nil {
		return err.Error()
	}
	refs, err := keys.List(ctx)
	if err != nil {
		return err.Error()
	}
	if len(refs) != len(kept) {
		return "orphaned keys: " + strings.TrimSpace(strings.Join(strs(refs), " "))
	}
	if again, err := s.Find(ctx); err != nil || again.Current.Generation() != found.Current.Generation() ||
		again.Next.Generation() != found.Next.Generation() {
		return "sweeping changed what there is"
	}
	return ""
}

func strs(refs []key.Ref) []string {
	out := make([]string, len(refs))
	for i, r := range refs {
		out[i] = string(r)
	}
	return out
}

// openToken opens the keys of a token until the test ends.
func openToken(t *testing.T, uri string) key.Store {
	t.Helper()
	l, err := pkcs11key.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := pkcs11key.Open(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	return keys
}
