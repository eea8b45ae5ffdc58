package pkcs11key_test

import (
	"os"
	"testing"

	"mooring/hsm/hsmtest"
	"mooring/hsm/key"
	"mooring/hsm/pkcs11key"
	"mooring/hsm/pkcs11key/p11test"
)

func TestMain(m *testing.M) { os.Exit(p11test.Main(m)) }

func open(t testing.TB, uri string) *pkcs11key.Store {
	t.Helper()
	l, err := pkcs11key.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	store, err := pkcs11key.Open(l)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func opened(t testing.TB, uri string) *pkcs11key.Store {
	t.Helper()
	store := open(t, uri)
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func openedSealer(t testing.TB, uri string) *pkcs11key.Sealer {
	t.Helper()
	l, err := pkcs11key.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	s, err := pkcs11key.OpenSealer(t.Context(), l, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	hsm := p11test.Start(t)
	hsm.AddToken(t, "dev")
	hsmtest.Run(t, func(t testing.TB) key.Store { return open(t, hsm.URI("dev", "")) })
}

func TestSealerContract(t *testing.T) {
	hsm := p11test.Start(t)
	hsm.AddToken(t, "one")
	hsm.AddToken(t, "two")
	opener := func(label string) func(testing.TB) key.Sealer {
		return func(t testing.TB) key.Sealer { return openedSealer(t, hsm.URI(label, "")) }
	}
	hsmtest.RunSealer(t, opener("one"), opener("two"))
}
