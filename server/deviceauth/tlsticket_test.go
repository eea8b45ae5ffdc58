package deviceauth_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/deviceauth"
	"mooring/server/platform"
	"mooring/server/trust"
)

// The roles that trust asks for; what trustStore has no method for is not
// called here.
type (
	certificateRole = platform.TrustedCertificates
	revocationRole  = platform.Revocations
)

// trustStore is what the real trust needs of a store, for one tenant.
type trustStore struct {
	certificateRole
	revocationRole
	rows    []platform.TrustedCertificate
	revoked []platform.Revocation
}

func (s *trustStore) AllTrustedCertificates(_ context.Context, f func(platform.TrustedCertificate) error) error {
	for _, r := range s.rows {
		if err := f(r); err != nil {
			return err
		}
	}
	return nil
}

func (s *trustStore) TrustedCertificate(_ context.Context, _ platform.TenantID, fingerprint string) (platform.TrustedCertificate, error) {
	for _, r := range s.rows {
		if r.Fingerprint == fingerprint {
			return r, nil
		}
	}
	return platform.TrustedCertificate{}, problem.New(problem.NotFound, "", nil)
}

func (s *trustStore) AllRevocations(context.Context, func(platform.TenantID, platform.Revocation) error) error {
	return nil
}

func (s *trustStore) Revocations(context.Context, platform.TenantID) ([]platform.Revocation, error) {
	return s.revoked, nil
}

func (s *trustStore) Option(context.Context, platform.TenantID, platform.OptionKey) (platform.Option, error) {
	return platform.Option{Value: "true"}, nil
}

func (s *trustStore) Tenants(context.Context) ([]platform.Tenant, error) {
	return []platform.Tenant{{ID: "t1"}}, nil
}

// resumption is a server with two listeners that share ticket keys, and a
// device that keeps sessions.
type resumption struct {
	store    *trustStore
	trust    *trust.Trust
	users    *userStore
	auth     *deviceauth.Auth
	now      time.Time
	client   *tls.Config
	configs  map[string]*tls.Config
	verdicts chan platform.Verdict
}

func newResumption(t *testing.T, version uint16, device func(root *party) *party) *resumption {
	t.Helper()
	r := &resumption{now: epoch, users: newUserStore(), configs: map[string]*tls.Config{}, verdicts: make(chan platform.Verdict, 1)}
	clock := func() time.Time { return r.now }
	var nobody *party
	root := nobody.issue(t, epoch, "Root", true)
	r.store = &trustStore{rows: []platform.TrustedCertificate{{Tenant: "t1", Fingerprint: pki.Fingerprint(root.cert), Certificate: root.cert.Raw,
		Enabled: true, AutoRegistration: true, NotAfter: root.cert.NotAfter}}}
	r.trust = trust.New(trust.Config{Certificates: r.store, Revocations: r.store, Options: r.store, Tenants: r.store, Now: clock})
	if err := r.trust.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.auth = deviceauth.New(deviceauth.Config{Trust: r.trust, Users: r.users, Secrets: plainSecrets{}, Now: clock})
	server := nobody.issue(t, epoch, "localhost", true)
	for _, listener := range []string{"mqtts", "mtls"} {
		cfg := &tls.Config{Certificates: []tls.Certificate{server.tls()}, ClientAuth: tls.RequestClientCert, MinVersion: version, MaxVersion: version, Time: clock,
			VerifyConnection: func(cs tls.ConnectionState) error {
				r.verdicts <- r.auth.Decide(cs.PeerCertificates, r.now)
				return nil
			}}
		cfg.SetSessionTicketKeys([][32]byte{sha256.Sum256([]byte("shared by all nodes and listeners"))})
		r.auth.UseTickets(cfg, listener)
		r.configs[listener] = cfg.Clone() // as net/http does
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.cert)
	r.client = &tls.Config{RootCAs: roots, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(4), Time: clock}
	if p := device(root); p != nil {
		r.client.Certificates = []tls.Certificate{p.tls()}
	}
	return r
}

// connect makes a connection and returns whether it was resumed, and the
// verdict that the server recorded.
func (r *resumption) connect(t *testing.T, listener string) (resumed bool, v platform.Verdict) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			served <- err
			return
		}
		defer c.Close()
		_, err = tls.Server(c, r.configs[listener]).Write([]byte("hello"))
		served <- err
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), r.client)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.ReadAll(c); err != nil && err != io.ErrUnexpectedEOF { // takes in the ticket
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState().DidResume, <-r.verdicts
}

func (r *resumption) apply(t *testing.T, kind platform.ChangeKind, key string) {
	t.Helper()
	ch := platform.Change{Tenant: "t1", Kind: kind, Key: key}
	if err := r.trust.Apply(t.Context(), ch); err != nil {
		t.Fatal(err)
	}
	if err := r.auth.Apply(t.Context(), ch); err != nil {
		t.Fatal(err)
	}
}

func eachVersion(t *testing.T, f func(t *testing.T, version uint16)) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(strings.ReplaceAll(tls.VersionName(v), " ", ""), func(t *testing.T) { f(t, v) })
	}
}

func TestResumption(t *testing.T) {
	var device *party
	fromRoot := func(root *party) *party {
		device = root.issue(t, epoch, "dev1", false)
		return device
	}
	tests := []struct {
		name     string
		listener string
		before   func(t *testing.T, r *resumption)
		resumed  bool
		want     platform.Reason
	}{
		{"nothing happened", "mqtts", func(*testing.T, *resumption) {}, true, platform.Accepted},
		{"something else changed", "mqtts", func(t *testing.T, r *resumption) {
			r.store.revoked = []platform.Revocation{{Serial: big.NewInt(1)}}
			r.apply(t, platform.ChangeRevocation, "")
		}, true, platform.Accepted},
		{"another listener", "mtls", func(*testing.T, *resumption) {}, false, platform.Accepted},
		{"leaf revoked", "mqtts", func(t *testing.T, r *resumption) {
			r.store.revoked = []platform.Revocation{{Serial: device.cert.SerialNumber}}
			r.apply(t, platform.ChangeRevocation, "")
		}, false, platform.ReasonRevoked},
		{"trusted certificate disabled", "mqtts", func(t *testing.T, r *resumption) {
			r.store.rows[0].Enabled = false
			r.apply(t, platform.ChangeTrust, r.store.rows[0].Fingerprint)
		}, false, platform.ReasonAnchorDisabled},
		{"trusted certificate deleted", "mqtts", func(t *testing.T, r *resumption) {
			fingerprint := r.store.rows[0].Fingerprint
			r.store.rows = nil
			r.apply(t, platform.ChangeTrust, fingerprint)
		}, false, platform.ReasonUnknownIssuer},
		{"device user disabled", "mqtts", func(t *testing.T, r *resumption) {
			r.users.change("t1", "dev1", func(u *platform.DeviceUser) { u.Enabled = false })
			r.apply(t, platform.ChangeDeviceUser, "dev1")
		}, false, platform.Accepted},
		{"device user deleted", "mqtts", func(t *testing.T, r *resumption) {
			delete(r.users.users, "t1/dev1")
			r.apply(t, platform.ChangeDeviceUser, "dev1")
		}, false, platform.Accepted},
		{"store does not answer", "mqtts", func(t *testing.T, r *resumption) {
			r.users.err = context.DeadlineExceeded
			r.apply(t, platform.ChangeDeviceUser, "dev1")
		}, false, platform.Accepted},
	}
	eachVersion(t, func(t *testing.T, version uint16) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				r := newResumption(t, version, fromRoot)
				resumed, v := r.connect(t, "mqtts")
				if resumed || v.Scope != platform.Full {
					t.Fatalf("first connection resumed %v, verdict %+v", resumed, v)
				}
				if _, err := r.auth.Admit(t.Context(), v, "mqtts"); err != nil {
					t.Fatal(err)
				}
				for range 2 { // a resumed connection hands out a ticket again
					if resumed, _ := r.connect(t, "mqtts"); !resumed {
						t.Fatal("second connection not resumed")
					}
				}
				tt.before(t, r)
				resumed, v = r.connect(t, tt.listener)
				if resumed != tt.resumed || v.Reason != tt.want || v.Device != "dev1" {
					t.Errorf("resumed %v with %q for %q, want %v with %q", resumed, v.Reason, v.Device, tt.resumed, tt.want)
				}
			})
		}
	})
}

func TestResumptionOfOthers(t *testing.T) {
	var nobody *party
	eachVersion(t, func(t *testing.T, version uint16) {
		for _, tt := range []struct {
			name    string
			device  func(root *party) *party
			resumed bool
			want    platform.Reason
		}{
			{"without certificate", func(*party) *party { return nil }, true, platform.ReasonNoCertificate},
			{"refused certificate", func(*party) *party { return nobody.issue(t, epoch, "dev1", false) }, false, platform.ReasonUnknownIssuer},
			{"never admitted", func(root *party) *party { return root.issue(t, epoch, "dev1", false) }, false, platform.Accepted},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r := newResumption(t, version, tt.device)
				r.connect(t, "mqtts")
				if resumed, v := r.connect(t, "mqtts"); resumed != tt.resumed || v.Reason != tt.want {
					t.Errorf("resumed %v with %q, want %v with %q", resumed, v.Reason, tt.resumed, tt.want)
				}
			})
		}
	})
}

func TestTicketBounds(t *testing.T) {
	r := newRig(certificateUser("dev1"))
	var nobody *party
	cs := tls.ConnectionState{PeerCertificates: []*x509.Certificate{nobody.issue(t, epoch, "dev1", false).cert}}
	good := r.auth.TicketExtra(cs, "mqtts", epoch)
	if !r.auth.TicketStillGood(good, "mqtts", epoch) {
		t.Fatal("a fresh ticket is not good")
	}
	r.judge.set(func(j *judge) { j.verdict.Scope, j.generation = platform.ReEnrolOnly, 2 })
	if r.auth.TicketStillGood(r.auth.TicketExtra(cs, "mqtts", epoch), "mqtts", epoch) {
		t.Error("the ticket of a refused certificate is good")
	}
	r.judge.set(func(j *judge) { j.verdict.Scope, j.generation = platform.Full, 3 })
	// 1,024 bytes are the most: make the listener fill what is left.
	room := 1024 - len(good) + len("mqtts")
	for n, want := range map[int]bool{room - 1: true, room: true, room + 1: false, 70_000: false} {
		name := strings.Repeat("x", n)
		extra := r.auth.TicketExtra(cs, name, epoch)
		if got := r.auth.TicketStillGood(extra, name, epoch); got != want || len(extra) > 1024 {
			t.Errorf("listener of %d bytes: good %v with %d bytes, want %v", n, got, len(extra), want)
		}
	}
	for i := range good {
		if r.auth.TicketStillGood(good[:i], "mqtts", epoch) {
			t.Errorf("cut to %d of %d bytes and still good", i, len(good))
		}
	}
}

// FuzzTicket holds that no entry, however made, panics or is good for another
// listener.
func FuzzTicket(f *testing.F) {
	r := newRig(certificateUser("dev1"))
	var nobody *party
	cs := tls.ConnectionState{PeerCertificates: []*x509.Certificate{nobody.issue(f, epoch, "dev1", false).cert}}
	f.Add(r.auth.TicketExtra(cs, "mqtts", epoch))
	f.Add(r.auth.TicketExtra(tls.ConnectionState{}, "mqtts", epoch))
	f.Add([]byte("mooring-ticket2"))
	f.Fuzz(func(t *testing.T, extra []byte) {
		if r.auth.TicketStillGood(extra, "mqtts", epoch) && r.auth.TicketStillGood(extra, "mtls", epoch) {
			t.Error("good on two listeners")
		}
	})
}
