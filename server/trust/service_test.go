package trust_test

import (
	"context"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/trust"
)

var (
	ctx   = context.Background()
	admin = platform.Principal{Tenant: "t1", User: "admin"}
)

func TestCreate(t *testing.T) {
	root := newRoot(t, "Root")
	armour := string(pki.EncodePEM(root.cert))
	noCertificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 3, 2, 1, 1}}))
	tests := []struct {
		name    string
		in      trust.NewCertificate
		wantErr error
		text    string
	}{
		{name: "armoured", in: trust.NewCertificate{Text: armour, Name: "mine", Status: "ENABLED"}},
		{name: "one line", in: trust.NewCertificate{Text: strings.ReplaceAll(armour, "\n", " "), Status: "ENABLED"}},
		{name: "bare", in: trust.NewCertificate{Text: pki.BareBase64(root.cert), Status: "DISABLED", AutoRegistration: true}},
		{name: "name of 254 bytes", in: trust.NewCertificate{Text: armour, Status: "ENABLED", Name: strings.Repeat("n", 254)}},
		{name: "name of 255 bytes", in: trust.NewCertificate{Text: armour, Status: "ENABLED", Name: strings.Repeat("n", 255)}, wantErr: problem.Unprocessable},
		{name: "no status", in: trust.NewCertificate{Text: armour}, wantErr: problem.Unprocessable, text: "Following mandatory fields should be included: status"},
		{name: "nothing", in: trust.NewCertificate{}, wantErr: problem.Unprocessable, text: "Following mandatory fields should be included: certInPemFormat, status"},
		{name: "other status", in: trust.NewCertificate{Text: armour, Status: "enabled"}, wantErr: problem.Unprocessable},
		{name: "no certificate", in: trust.NewCertificate{Text: "hello", Status: "ENABLED"}, wantErr: problem.Unprocessable, text: "Cannot parse X509 certificate. : Could not parse certificate: "},
		{name: "no certificate in the armour", in: trust.NewCertificate{Text: noCertificate, Status: "ENABLED"}, wantErr: problem.Unprocessable, text: "Cannot parse X509 certificate. : Could not parse certificate: "},
		{name: "no CA", in: trust.NewCertificate{Text: pki.BareBase64(root.leaf(t, "dev1").cert), Status: "ENABLED"}, wantErr: problem.Unprocessable, text: "Cannot parse X509 certificate. : Could not parse certificate: "},
		{name: "expired", in: trust.NewCertificate{Text: pki.BareBase64(newRoot(t, "Old", valid(epoch.AddDate(-1, 0, 0), epoch.Add(-time.Second))).cert), Status: "ENABLED"},
			wantErr: problem.Unprocessable, text: "Can not activate a certificate which is either expired or not yet valid"},
		{name: "not yet valid", in: trust.NewCertificate{Text: pki.BareBase64(newRoot(t, "New", valid(epoch.Add(time.Second), epoch.AddDate(1, 0, 0))).cert), Status: "ENABLED"},
			wantErr: problem.Unprocessable, text: "Can not activate a certificate which is either expired or not yet valid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore("t1")
			v := s.load(t)
			row, err := v.Create(ctx, admin, "t1", tt.in)
			if tt.wantErr != nil {
				checkProblem(t, err, tt.wantErr, tt.text)
				if len(s.rows) != 0 || len(s.audit) != 0 {
					t.Error("something was written")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if row.Fingerprint != root.fingerprint() || row.Name != tt.in.Name || row.Enabled != (tt.in.Status == "ENABLED") || row.AutoRegistration != tt.in.AutoRegistration {
				t.Errorf("row %+v", row)
			}
			want := platform.AuditRecord{Tenant: "t1", At: epoch, Type: "TrustedCertificates", User: "admin", Source: row.Fingerprint,
				Activity: "Trusted certificate created on 't1'.",
				Text:     "Certificate fingerprint: '" + row.Fingerprint + "'.\n Certificate subject name: 'CN=Root'.\n NotAfter='2027-03-01T12:00:00.000Z'"}
			if len(s.audit) != 1 || s.audit[0] != want {
				t.Errorf("audit %+v, want %+v", s.audit, want)
			}
		})
	}
}

func checkProblem(tb testing.TB, err, kind error, text string) {
	tb.Helper()
	if !errors.Is(err, kind) {
		tb.Fatalf("error %v, want kind %v", err, kind)
	}
	if p, ok := errors.AsType[*problem.Error](err); !ok || !strings.HasPrefix(p.Detail, text) {
		tb.Errorf("error %v, want text %q", err, text)
	}
}

func TestCreateDuplicate(t *testing.T) {
	root := newRoot(t, "Root")
	text := "Cannot add certificate - certificate with " + root.fingerprint() + " fingerprint already exists. : Certificate with " + root.fingerprint() + " fingerprint already exists."
	in := trust.NewCertificate{Text: pki.BareBase64(root.cert), Status: "ENABLED"}
	s := newStore("t1", "t2")
	v, stale := s.load(t), s.load(t)
	if _, err := v.Create(ctx, admin, "t1", in); err != nil {
		t.Fatal(err)
	}
	_, err := v.Create(ctx, admin, "t1", in)
	checkProblem(t, err, problem.Conflict, text)
	_, err = v.Create(ctx, admin, "t2", in)
	checkProblem(t, err, problem.Conflict, text)
	_, err = stale.Create(ctx, admin, "t2", in) // a node that has not heard of it
	checkProblem(t, err, problem.Conflict, text)
	another := trust.NewCertificate{Text: pki.BareBase64(newRoot(t, "Another").cert), Status: "ENABLED"}
	_, err = v.CreateAll(ctx, admin, "t1", []trust.NewCertificate{another, another})
	checkProblem(t, err, problem.Conflict, "")
	if len(s.rows) != 1 {
		t.Errorf("%d certificates stored, want 1", len(s.rows))
	}
}

func TestCreateBounds(t *testing.T) {
	s := newStore("t1")
	v := trust.New(trust.Config{Certificates: s, Revocations: s, Options: s, Tenants: s, MaxPerTenant: 2, Now: func() time.Time { return epoch }})
	three := make([]trust.NewCertificate, 3)
	for i := range three {
		three[i] = trust.NewCertificate{Text: pki.BareBase64(newRoot(t, "Root").cert), Status: "ENABLED"}
	}
	_, err := v.CreateAll(ctx, admin, "t1", three)
	checkProblem(t, err, problem.Unprocessable, "a tenant has at most 2")
	if _, err := v.CreateAll(ctx, admin, "t1", three[:2]); err != nil {
		t.Fatal(err)
	}
	_, err = v.Create(ctx, admin, "t1", three[2])
	checkProblem(t, err, problem.Unprocessable, "a tenant has at most 2")
	_, err = v.CreateAll(ctx, admin, "t1", make([]trust.NewCertificate, trust.MaxBulk+1))
	checkProblem(t, err, problem.TooLarge, "")
}

// TestLifeOfAnAnchor holds that every change counts when the call returns.
func TestLifeOfAnAnchor(t *testing.T) {
	root := newRoot(t, "Root")
	leaf := root.leaf(t, "dev1")
	s := newStore("t1")
	v := s.load(t)
	verdict := func(want platform.Reason, tenant platform.TenantID) platform.Verdict {
		t.Helper()
		got := v.Verify(chain(leaf), epoch)
		checkVerdict(t, got, want, tenant)
		return got
	}
	verdict(platform.ReasonUnknownIssuer, "")
	if _, err := v.Create(ctx, admin, "t1", trust.NewCertificate{Text: pki.BareBase64(root.cert), Status: "ENABLED"}); err != nil {
		t.Fatal(err)
	}
	session := verdict(platform.Accepted, "t1")
	if got := v.StillTrusted(session, epoch); got != platform.Accepted {
		t.Errorf("still trusted: %q", got)
	}
	update := func(ch trust.CertificateChange) {
		t.Helper()
		if _, err := v.Update(ctx, admin, "t1", strings.ToUpper(root.fingerprint()), ch); err != nil {
			t.Fatal(err)
		}
	}
	update(trust.CertificateChange{Status: new("DISABLED")})
	verdict(platform.ReasonAnchorDisabled, "t1")
	if got := v.StillTrusted(session, epoch); got != platform.ReasonAnchorDisabled {
		t.Errorf("disabled: %q", got)
	}
	update(trust.CertificateChange{Status: new("ENABLED"), AutoRegistration: new(true), Name: new("new name")})
	if got := verdict(platform.Accepted, "t1"); !got.AutoRegistration {
		t.Error("auto-registration is off")
	}
	if s.rows[0].Name != "new name" || s.audit[2].Activity != "Trusted certificate updated on 't1'." {
		t.Errorf("row %+v, audit %+v", s.rows[0], s.audit[2])
	}
	if got := v.StillTrusted(session, session.ValidUntil.Add(time.Second)); got != platform.ReasonExpired {
		t.Errorf("expired: %q", got)
	}
	if err := v.Delete(ctx, admin, "t1", root.fingerprint()); err != nil {
		t.Fatal(err)
	}
	verdict(platform.ReasonUnknownIssuer, "")
	if got := v.StillTrusted(session, epoch); got != platform.ReasonUnknownIssuer {
		t.Errorf("deleted: %q", got)
	}
	for _, err := range []error{
		v.Delete(ctx, admin, "t1", root.fingerprint()),
		second(v.Get(ctx, "t1", "00")),
		second(v.Update(ctx, admin, "t2", root.fingerprint(), trust.CertificateChange{})),
	} {
		checkProblem(t, err, problem.NotFound, "Cannot find certificate with fingerprint ")
	}
}

func TestStillTrustedTwins(t *testing.T) {
	root := newRoot(t, "Root")
	renewed := root.twin(t)
	s := newStore("t1", "t2")
	s.add("t1", root)
	v := s.load(t)
	session := v.Verify(chain(root.leaf(t, "dev1")), epoch)
	apply := func(tenant platform.TenantID, p *party) {
		t.Helper()
		if err := v.Apply(ctx, platform.Change{Tenant: tenant, Kind: platform.ChangeTrust, Key: p.fingerprint()}); err != nil {
			t.Fatal(err)
		}
	}
	s.add("t1", renewed)
	s.rows[0].Enabled = false
	apply("t1", root)
	apply("t1", renewed)
	if got := v.StillTrusted(session, epoch); got != platform.Accepted {
		t.Errorf("disabled, but its renewed twin is not: %q", got)
	}
	s.rows[1].Enabled = false
	apply("t1", renewed)
	if got := v.StillTrusted(session, epoch); got != platform.ReasonAnchorDisabled {
		t.Errorf("both disabled: %q", got)
	}
	s.rows[0].Tenant, s.rows[0].Enabled = "t2", true
	apply("t2", root)
	if got := v.StillTrusted(session, epoch); got != platform.ReasonUnknownIssuer {
		t.Errorf("now another tenant's: %q", got)
	}
}

func second[T any](_ T, err error) error { return err }

func TestUpdateExpired(t *testing.T) {
	old := newRoot(t, "Old", valid(epoch.AddDate(-1, 0, 0), epoch.Add(-time.Second)))
	s := newStore("t1")
	s.add("t1", old, disabled)
	v := s.load(t)
	_, err := v.Update(ctx, admin, "t1", old.fingerprint(), trust.CertificateChange{Status: new("ENABLED")})
	checkProblem(t, err, problem.Unprocessable, "Can not activate a certificate which is either expired or not yet valid")
	if _, err := v.Update(ctx, admin, "t1", old.fingerprint(), trust.CertificateChange{Name: new("x"), Status: new("DISABLED")}); err != nil {
		t.Error(err)
	}
}

func TestRevoke(t *testing.T) {
	root := newRoot(t, "Root")
	leaf := root.leaf(t, "dev1")
	s := newStore("t1")
	s.add("t1", root)
	s.options["t1"] = "true"
	v := s.load(t)
	session := v.Verify(chain(leaf), epoch)
	checkVerdict(t, session, platform.Accepted, "t1")
	entries := []platform.Revocation{
		{Serial: leaf.cert.SerialNumber, At: epoch.Add(time.Hour)},
		{Serial: big.NewInt(77), At: epoch.Add(-time.Hour)},
		{Serial: big.NewInt(78)},
	}
	added, err := v.Revoke(ctx, admin, "t1", entries)
	if err != nil || added != 3 {
		t.Fatalf("added %d, %v", added, err)
	}
	checkVerdict(t, v.Verify(chain(leaf), epoch), platform.ReasonRevoked, "t1")
	if got := v.StillTrusted(session, epoch); got != platform.ReasonRevoked {
		t.Errorf("still trusted: %q", got)
	}
	list, err := v.Revocations(ctx, "t1")
	if err != nil || len(list) != 3 {
		t.Fatalf("list %v, %v", list, err)
	}
	for i, want := range []time.Time{epoch, epoch.Add(-time.Hour), epoch} {
		if !list[i].At.Equal(want) {
			t.Errorf("entry %d at %v, want %v", i, list[i].At, want)
		}
	}
	if want := "Revoked serials: " + pki.SerialHex(leaf.cert.SerialNumber) + ", 4d, 4e"; s.audit[0].Text != want {
		t.Errorf("audit %q, want %q", s.audit[0].Text, want)
	}
	if added, err := v.Revoke(ctx, admin, "t1", entries); err != nil || added != 0 {
		t.Errorf("again: added %d, %v", added, err)
	}
}

func TestRevokeBounds(t *testing.T) {
	v := newStore("t1").load(t)
	many := make([]platform.Revocation, trust.MaxRevocations+1)
	for i := range many {
		many[i].Serial = big.NewInt(int64(i + 1))
	}
	for _, tt := range []struct {
		name    string
		entries []platform.Revocation
		added   int
		wantErr error
	}{
		{"none", nil, 0, nil},
		{"one less than allowed", many[:trust.MaxRevocations-1], trust.MaxRevocations - 1, nil},
		{"all allowed", many[:trust.MaxRevocations], 1, nil},
		{"one too many", many, 0, problem.TooLarge},
		{"64 digits", []platform.Revocation{{Serial: new(big.Int).Lsh(big.NewInt(1), 255)}}, 1, nil},
		{"65 digits", []platform.Revocation{{Serial: new(big.Int).Lsh(big.NewInt(1), 256)}}, 0, problem.Invalid},
		{"zero, which bad authorities give", []platform.Revocation{{Serial: new(big.Int)}}, 1, nil},
		{"negative", []platform.Revocation{{Serial: big.NewInt(-1)}}, 0, problem.Invalid},
		{"nil", []platform.Revocation{{}}, 0, problem.Invalid},
	} {
		added, err := v.Revoke(ctx, admin, "t1", tt.entries)
		if added != tt.added || tt.wantErr == nil && err != nil || tt.wantErr != nil && !errors.Is(err, tt.wantErr) {
			t.Errorf("%s: added %d, %v; want %d, %v", tt.name, added, err, tt.added, tt.wantErr)
		}
	}
}

func TestApply(t *testing.T) {
	root := newRoot(t, "Root")
	leaf := root.leaf(t, "dev1")
	s := newStore("t1", "t2")
	v := s.load(t)
	apply := func(tenant platform.TenantID, kind platform.ChangeKind, key string) (moved bool) {
		t.Helper()
		before := v.Generation()
		if err := v.Apply(ctx, platform.Change{Tenant: tenant, Kind: kind, Key: key}); err != nil {
			t.Fatal(err)
		}
		return v.Generation() != before
	}
	const option = "configuration/crl.offline.check.enabled"
	s.add("t1", root)
	steps := []struct {
		name   string
		do     func()
		tenant platform.TenantID
		kind   platform.ChangeKind
		key    string
		moved  bool
		want   platform.Reason
	}{
		{"upload", nil, "t1", platform.ChangeTrust, root.fingerprint(), true, platform.Accepted},
		{"the same again", nil, "t1", platform.ChangeTrust, root.fingerprint(), false, platform.Accepted},
		{"late news of another tenant", nil, "t2", platform.ChangeTrust, root.fingerprint(), false, platform.Accepted},
		{"of another kind", nil, "t1", platform.ChangeObject, "17", false, platform.Accepted},
		{"another option", nil, "t1", platform.ChangeOption, "a/b", false, platform.Accepted},
		{"revoked, check off", func() { s.revoked["t1"] = []platform.Revocation{{Serial: leaf.cert.SerialNumber}} },
			"t1", platform.ChangeRevocation, pki.SerialHex(leaf.cert.SerialNumber), true, platform.Accepted},
		{"revoked again, as one of many", nil, "t1", platform.ChangeRevocation, "", false, platform.Accepted},
		{"check on", func() { s.options["t1"] = "true" }, "t1", platform.ChangeOption, option, true, platform.ReasonRevoked},
		{"check on again", nil, "t1", platform.ChangeOption, option, false, platform.ReasonRevoked},
		{"check off", func() { delete(s.options, "t1") }, "t1", platform.ChangeOption, option, true, platform.Accepted},
		{"deleted", func() { s.rows = nil }, "t1", platform.ChangeTrust, root.fingerprint(), true, platform.ReasonUnknownIssuer},
		{"deleted again", nil, "t1", platform.ChangeTrust, root.fingerprint(), false, platform.ReasonUnknownIssuer},
	}
	for _, step := range steps {
		if step.do != nil {
			step.do()
		}
		if moved := apply(step.tenant, step.kind, step.key); moved != step.moved {
			t.Errorf("%s: generation moved %v, want %v", step.name, moved, step.moved)
		}
		if got := v.Verify(chain(leaf), epoch); got.Reason != step.want {
			t.Errorf("%s: reason %q, want %q", step.name, got.Reason, step.want)
		}
	}
	s.broken = errBroken
	if err := v.Apply(ctx, platform.Change{Tenant: "t1", Kind: platform.ChangeTrust, Key: root.fingerprint()}); !errors.Is(err, errBroken) {
		t.Errorf("broken store: %v", err)
	}
	if err := s.trust().Load(ctx); !errors.Is(err, errBroken) {
		t.Errorf("broken store: %v", err)
	}
}

func TestUnparsableRow(t *testing.T) {
	root := newRoot(t, "Root")
	s := newStore("t1")
	s.add("t1", newRoot(t, "Broken"), func(c *platform.TrustedCertificate) { c.Certificate = []byte{0x30, 0} })
	s.add("t1", root)
	checkVerdict(t, s.load(t).Verify(chain(root.leaf(t, "dev1")), epoch), platform.Accepted, "t1")
}

// TestApplyWhileVerifying is for the race detector: an anchor that stays must
// be found whatever happens to the others of its name.
func TestApplyWhileVerifying(t *testing.T) {
	root := newRoot(t, "Root")
	leaf := root.leaf(t, "dev1")
	others := []*party{root.twin(t), newRoot(t, "Root"), newRoot(t, "Other")}
	s := newStore("t1", "t2")
	s.add("t1", root, proven)
	v := s.load(t)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					if got := v.Verify(chain(leaf), epoch); got.Reason != platform.Accepted || got.Tenant != "t1" {
						t.Errorf("verdict %+v", got)
						return
					}
				}
			}
		})
	}
	for range 50 {
		for _, o := range others {
			if _, err := v.Create(ctx, admin, "t2", trust.NewCertificate{Text: pki.BareBase64(o.cert), Status: "ENABLED"}); err != nil {
				t.Error(err)
			}
		}
		for _, o := range others {
			if err := v.Delete(ctx, admin, "t2", o.fingerprint()); err != nil {
				t.Error(err)
			}
		}
	}
	close(done)
	readers.Wait()
}
