package agent

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"time"

	"mooring/internal/problem"
)

// maxAhead is how far in the future an issued certificate may begin. Its
// beginning is taken for a moment that has passed, so one from next year would
// lock the device out of every server until then.
const maxAhead = 24 * time.Hour

// acceptable refuses what a server must not answer with: the present
// certificate, one issued before it, one from the future, and one that is over.
// An expiry before the present one's is the issuer's business.
func (a *Agent) acceptable(leaf *x509.Certificate) error {
	refuse := func(what string) error {
		return problem.New(problem.Unavailable, "the server answered with "+what, nil)
	}
	if now := a.clock.Now(); a.clock.Trusted() && leaf.NotBefore.After(now.Add(maxAhead)) {
		return refuse(fmt.Sprintf("a certificate that begins at %s", leaf.NotBefore.UTC().Format(time.RFC3339)))
	}
	if now := a.clock.Now(); a.clock.Trusted() && !leaf.NotAfter.After(now) {
		return refuse(fmt.Sprintf("a certificate that ended at %s; the clock here says %s",
			leaf.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)))
	}
	v, _ := a.look()
	if v.current == nil {
		return nil
	}
	switch current := v.current.Chain.Leaf(); {
	case bytes.Equal(leaf.Raw, current.Raw):
		return refuse("the certificate that the device has already")
	case leaf.NotBefore.Before(current.NotBefore):
		return refuse("an older certificate than the device has")
	}
	return nil
}
