package trust_test

import (
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
