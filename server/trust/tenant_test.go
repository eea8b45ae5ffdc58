package trust_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"mooring/server/platform"
)

// claim is one tenant's trusted certificate, in order of creation.
type claim struct {
	tenant  platform.TenantID
	anchor  *party
	options []func(*platform.TrustedCertificate)
}

func TestVerifyTenant(t *testing.T) {
	root := newRoot(t, "Root")
	twin := root.twin(t)
	third := root.twin(t)
	issuing := root.ca(t, "Issuing")
	leaf := issuing.leaf(t, "dev1")
	full := chain(leaf, issuing, root)
	lookalike := newRoot(t, "Root")
	expired := sign(t, root, issuing.key, "Issuing", asCA, valid(epoch.AddDate(-1, 0, 0), epoch.Add(-time.Second)))
	ours := func(c *platform.TrustedCertificate) { c.IsTenantCA = true }
	by := func(tenant platform.TenantID, anchor *party, options ...func(*platform.TrustedCertificate)) claim {
		return claim{tenant, anchor, options}
	}
	tests := []struct {
		name   string
		claims []claim
		want   platform.Reason
		tenant platform.TenantID
	}{
		{"one", []claim{by("t1", root)}, platform.Accepted, "t1"},
		{"a later unproven claim to the key is inert", []claim{by("t1", root), by("t2", twin)}, platform.Accepted, "t1"},
		{"a later proven claim to the key wins", []claim{by("t1", root), by("t2", twin, proven)}, platform.Accepted, "t2"},
		{"an earlier proven claim to the key wins", []claim{by("t1", root, proven), by("t2", twin)}, platform.Accepted, "t1"},
		{"two proven claims to the key", []claim{by("t1", root, proven), by("t2", twin, proven)}, platform.ReasonAmbiguous, ""},
		{"two proven of three", []claim{by("t1", root), by("t2", twin, proven), by("t3", third, proven)}, platform.ReasonAmbiguous, ""},
		{"the proven claimant's unproven twin counts too", []claim{by("t2", root), by("t1", twin, disabled), by("t1", third, proven)}, platform.Accepted, "t1"},
		{"our own CA counts as proven", []claim{by("t2", root), by("t1", twin, ours)}, platform.Accepted, "t1"},
		{"a look-alike of another key", []claim{by("t2", lookalike, proven), by("t1", root)}, platform.Accepted, "t1"},

		{"different keys on the path, same tenant", []claim{by("t1", root), by("t1", issuing)}, platform.Accepted, "t1"},
		{"different keys, two tenants", []claim{by("t1", root), by("t2", issuing)}, platform.ReasonAmbiguous, ""},
		{"different keys, the upper is proven", []claim{by("t1", root, proven), by("t2", issuing)}, platform.Accepted, "t1"},
		{"different keys, the lower is proven", []claim{by("t1", root), by("t2", issuing, proven)}, platform.Accepted, "t2"},
		{"different keys, both proven", []claim{by("t1", root, proven), by("t2", issuing, proven)}, platform.ReasonAmbiguous, ""},
		{"different keys, the proven one has expired", []claim{by("t1", root), by("t2", expired, proven)}, platform.Accepted, "t1"},
		{"nearest expired, upper one in date", []claim{by("t1", root), by("t1", expired)}, platform.Accepted, "t1"},
		{"nearest expired and disabled, upper one in date", []claim{by("t1", root), by("t1", expired, disabled)}, platform.ReasonAnchorDisabled, "t1"},
		{"different keys, the other is disabled", []claim{by("t1", root), by("t2", issuing, disabled)}, platform.Accepted, "t1"},

		{"disabled", []claim{by("t1", root, disabled)}, platform.ReasonAnchorDisabled, "t1"},
		{"disabled, a later claimant stays inert", []claim{by("t1", root, disabled), by("t2", twin)}, platform.ReasonAnchorDisabled, "t1"},
		{"disabled by its owner, unproven claim earlier", []claim{by("t2", root), by("t1", twin, disabled, proven)}, platform.ReasonAnchorDisabled, "t1"},
		{"disabled, another certificate of the key is not", []claim{by("t1", root, disabled), by("t1", twin)}, platform.Accepted, "t1"},
		{"nearest disabled, upper one enabled", []claim{by("t1", root), by("t1", issuing, disabled)}, platform.ReasonAnchorDisabled, "t1"},
		{"nearest enabled, upper one disabled", []claim{by("t1", root, disabled), by("t1", issuing)}, platform.Accepted, "t1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore("t1", "t2", "t3")
			for _, c := range tt.claims {
				s.add(c.tenant, c.anchor, c.options...)
			}
			checkVerdict(t, s.load(t).Verify(full, epoch), tt.want, tt.tenant)
			// Another order of arrival must not make a difference.
			late := s.trust()
			for _, row := range slices.Backward(s.rows) {
				if err := late.Apply(context.Background(), platform.Change{Tenant: row.Tenant, Kind: platform.ChangeTrust, Key: row.Fingerprint}); err != nil {
					t.Fatal(err)
				}
			}
			checkVerdict(t, late.Verify(full, epoch), tt.want, tt.tenant)
		})
	}
}

func TestVerifyLookalikes(t *testing.T) {
	// Others cannot keep a tenant out by uploading certificates of the same
	// name, earlier or later.
	root := newRoot(t, "Root")
	leaf := root.leaf(t, "dev1")
	s := newStore("t1", "t2")
	for range 50 {
		s.add("t2", newRoot(t, "Root", func(c *x509.Certificate) { c.SubjectKeyId = root.cert.SubjectKeyId }), proven)
	}
	s.add("t1", root)
	for range 50 {
		s.add("t2", newRoot(t, "Root"))
	}
	v := s.load(t)
	checkVerdict(t, v.Verify(chain(leaf), epoch), platform.Accepted, "t1")
	checkVerdict(t, v.Verify(chain(leaf, root), epoch), platform.Accepted, "t1")
}

func TestVerifyUncharged(t *testing.T) {
	// Who knows a tenant's certificates but has none of its own must not be
	// able to write into the tenant's records.
	root := newRoot(t, "Root")
	issuing := root.ca(t, "Issuing")
	thief := &party{cert: new(x509.Certificate), key: newKey(t)}
	*thief.cert = *issuing.cert
	thief.cert.PublicKey = thief.key.Public() // else crypto/x509 would not help
	forged := thief.leaf(t, "dev1")
	v := one(t, root, issuing)
	for _, sent := range [][]*x509.Certificate{chain(forged), chain(forged, issuing), chain(forged, issuing, root)} {
		if got := v.Verify(sent, epoch); got.Tenant != "" || got.Scope != platform.ExplainOnly || got.Reason == platform.Accepted {
			t.Errorf("%d sent: verdict %+v", len(sent), got)
		}
	}
}

// TestVerifyForest builds random forests of CAs, lets random tenants claim
// some and holds every verdict to what must be true of it whatever the rules.
func TestVerifyForest(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 30 {
		checkForest(t, random)
	}
}

func checkForest(t *testing.T, random *rand.Rand) {
	tenants := []platform.TenantID{"t1", "t2", "t3"}
	s := newStore(tenants...)
	paths := [][]*party{} // each from a CA up to its root
	for i := range 3 + random.IntN(6) {
		name := fmt.Sprintf("CA %d", random.IntN(4)) // names repeat
		if i == 0 || random.IntN(3) == 0 {
			paths = append(paths, []*party{newRoot(t, name)})
			continue
		}
		above := paths[random.IntN(len(paths))]
		paths = append(paths, append([]*party{above[0].ca(t, name)}, above...))
	}
	claims := map[string][]platform.TrustedCertificate{} // by public key
	for _, path := range paths {
		for random.IntN(2) == 0 {
			p := path[0]
			if len(claims[string(p.cert.RawSubjectPublicKeyInfo)]) > 0 {
				p = p.twin(t)
			}
			s.add(tenants[random.IntN(3)], p, func(c *platform.TrustedCertificate) { c.Enabled, c.Proven = random.IntN(4) > 0, random.IntN(3) == 0 })
			row := s.rows[len(s.rows)-1]
			claims[string(p.cert.RawSubjectPublicKeyInfo)] = append(claims[string(p.cert.RawSubjectPublicKeyInfo)], row)
		}
	}
	v := s.load(t)
	for _, path := range paths {
		leaf := path[0].leaf(t, "dev1")
		for n := range len(path) + 1 {
			sent := chain(append([]*party{leaf}, path[:n]...)...)
			random.Shuffle(random.IntN(2)*len(sent), func(i, j int) { sent[i], sent[j] = sent[j], sent[i] })
			got := v.Verify(sent, epoch)
			checkTenantOnPath(t, got, path, claims)
		}
	}
}

func checkTenantOnPath(t *testing.T, got platform.Verdict, path []*party, claims map[string][]platform.TrustedCertificate) {
	t.Helper()
	var mine []platform.TrustedCertificate
	for _, p := range path {
		mine = append(mine, claims[string(p.cert.RawSubjectPublicKeyInfo)]...)
	}
	has := func(list []platform.TrustedCertificate) bool {
		return slices.ContainsFunc(list, func(c platform.TrustedCertificate) bool { return c.Tenant == got.Tenant })
	}
	switch {
	case got.Tenant != "" && !has(mine):
		t.Errorf("tenant %s has no anchor on the path: %+v", got.Tenant, got)
	case got.Scope == platform.Full && (got.Tenant == "" || got.Device != "dev1"):
		t.Errorf("admitted without tenant or device: %+v", got)
	case got.Scope == platform.Full && !slices.ContainsFunc(mine, func(c platform.TrustedCertificate) bool {
		return c.Fingerprint == got.Anchor && c.Tenant == got.Tenant && c.Enabled
	}):
		t.Errorf("admitted by %s, which is not an enabled anchor of %s on the path", got.Anchor, got.Tenant)
	}
}
