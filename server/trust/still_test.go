package trust_test

import (
	"math/big"
	"testing"
	"time"

	"mooring/server/platform"
)

// TestStillTrustedAfterTheEnd: a session may outlive its certificate, because
// the device needs it to renew; it must end all the same when trust does.
func TestStillTrustedAfterTheEnd(t *testing.T) {
	root := newRoot(t, "Root")
	s := newStore("t1")
	s.add("t1", root)
	v := s.load(t)
	session := v.Verify(chain(root.leaf(t, "dev1", valid(epoch.Add(-time.Hour), epoch))), epoch)
	later := epoch.Add(time.Hour)
	if got := v.StillTrusted(session, later); got != platform.ReasonExpired {
		t.Errorf("after the end: %q", got)
	}
	if err := v.Delete(ctx, admin, "t1", root.fingerprint()); err != nil {
		t.Fatal(err)
	}
	if got := v.StillTrusted(session, later); got != platform.ReasonUnknownIssuer {
		t.Errorf("after the end, the anchor deleted: %q", got)
	}
}

// TestStillTrustedByOrigin: a device token carries the key of its anchor and
// serials alone. That is enough to see a revocation of the leaf or of the
// anchor, the anchor disabled or gone, and to live through its renewal.
func TestStillTrustedByOrigin(t *testing.T) {
	root := newRoot(t, "Root", withSerial(0xaa01))
	other := newRoot(t, "Other")
	for _, tt := range []struct {
		name   string
		change func(s *store)
		want   platform.Reason
	}{
		{"nothing", func(*store) {}, platform.Accepted},
		{"another is revoked", func(s *store) { s.revoke(0xbb) }, platform.Accepted},
		{"leaf revoked", func(s *store) { s.revoke(0xaa02) }, platform.ReasonRevoked},
		{"anchor revoked", func(s *store) { s.revoke(0xaa01) }, platform.ReasonRevoked},
		{"renewed", func(s *store) { s.rows = nil; s.add("t1", root.twin(t)) }, platform.Accepted},
		{"disabled", func(s *store) { s.rows = nil; s.add("t1", root, disabled) }, platform.ReasonAnchorDisabled},
		{"gone", func(s *store) { s.rows = nil; s.add("t1", other) }, platform.ReasonUnknownIssuer},
		{"another tenant's", func(s *store) { s.rows = nil; s.add("t2", root) }, platform.ReasonUnknownIssuer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore("t1", "t2")
			s.add("t1", root)
			s.options["t1"] = "true"
			full := s.load(t).Verify(chain(root.leaf(t, "dev1", withSerial(0xaa02))), epoch)
			tt.change(s)
			v := platform.Verdict{Tenant: "t1", Device: "dev1", AnchorKey: full.AnchorKey, Serials: full.Serials[:1], ValidUntil: epoch}
			if got := s.load(t).StillTrusted(v, epoch); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// revoke lists a serial for t1.
func (s *store) revoke(serial int64) {
	s.revoked["t1"] = append(s.revoked["t1"], platform.Revocation{Serial: big.NewInt(serial), At: epoch})
}
