package trust

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mooring/internal/pki"
	"mooring/server/platform"
)

// anchor is one trusted certificate in a snapshot, immutable but for the
// parsed certificate that it may carry for a while.
type anchor struct {
	row       platform.TrustedCertificate
	group     key // of (subject, public key)
	subject   []byte
	sum       [32]byte // SHA-256 of the DER
	serial    *big.Int
	keyID     []byte // subject key identifier, may be empty
	notBefore time.Time

	parsed atomic.Pointer[x509.Certificate]
	used   atomic.Bool // since the ring last came by
}

// newAnchor parses row once to learn what look-ups need; the parsed form is
// not kept.
func newAnchor(row platform.TrustedCertificate) (*anchor, error) {
	c, err := pki.ParseDER(row.Certificate)
	if err != nil {
		return nil, err
	}
	return &anchor{
		row:       row,
		group:     groupKey(c),
		subject:   c.RawSubject,
		sum:       sha256.Sum256(row.Certificate),
		serial:    c.SerialNumber,
		keyID:     c.SubjectKeyId,
		notBefore: c.NotBefore,
	}, nil
}

// proven reports whether the tenant is known to hold the key. Of a tenant CA
// we made the key ourselves.
func (a *anchor) proven() bool { return a.row.Proven || a.row.IsTenantCA }

// sameAs reports whether nothing that a verdict depends on differs.
func (a *anchor) sameAs(b *anchor) bool {
	return a.row.Tenant == b.row.Tenant && a.row.Enabled == b.row.Enabled && a.proven() == b.proven() &&
		a.row.AutoRegistration == b.row.AutoRegistration && a.row.Created.Equal(b.row.Created) && a.sum == b.sum
}

// older orders claims by creation. Fingerprints break ties, so that all nodes
// agree.
func older(a, b *anchor) int {
	return cmp.Or(a.row.Created.Compare(b.row.Created), strings.Compare(a.row.Fingerprint, b.row.Fingerprint))
}

// group holds every claim to one (subject, public key). It is immutable.
type group struct {
	key     key
	claims  []*anchor // by creation
	inForce []*anchor // those that count (design decision 8), newest end first
	proven  bool      // inForce are claims of tenants that proved possession
}

// groupKey names the group of a certificate of subject and public key of c.
func groupKey(c *x509.Certificate) key { return keyOf('g', c.RawSubject, c.RawSubjectPublicKeyInfo) }

// newGroup decides which claims count: those of the tenants that proved
// possession of the key; while there is none, those of the earliest claimant.
func newGroup(k key, claims []*anchor) *group {
	slices.SortFunc(claims, older)
	g := &group{key: k, claims: claims}
	tenants := map[platform.TenantID]bool{}
	for _, a := range claims {
		if a.proven() {
			g.proven = true
			tenants[a.row.Tenant] = true
		}
	}
	if !g.proven {
		tenants[claims[0].row.Tenant] = true
	}
	for _, a := range claims {
		if tenants[a.row.Tenant] {
			g.inForce = append(g.inForce, a)
		}
	}
	slices.SortStableFunc(g.inForce, func(a, b *anchor) int { return b.row.NotAfter.Compare(a.row.NotAfter) })
	return g
}

// names are the index entries under which g is found as somebody's issuer:
// its subject, and its subject with each key identifier its records state.
func (g *group) names() []key {
	subject := g.claims[0].subject
	found := []key{subjectKey(subject)}
	for _, a := range g.claims {
		if len(a.keyID) > 0 {
			found = append(found, subjectKey(subject, a.keyID))
		}
	}
	slices.SortFunc(found, compareKeys)
	return slices.Compact(found)
}

// subjectKey names the list of groups of a subject, with a key identifier or
// without.
func subjectKey(subject []byte, keyID ...[]byte) key {
	return keyOf('s', append([][]byte{subject}, keyID...)...)
}

func compareKeys(a, b key) int { return bytes.Compare(a[:], b[:]) }

// maxParsed bounds how many parsed anchors are kept; each takes about 6 KiB.
const maxParsed = 4096

// ring remembers which anchors carry a parsed certificate and takes it away
// from one that has not been used lately (the CLOCK algorithm). A hit takes no
// lock.
type ring struct {
	mu    sync.Mutex // guards what follows
	held  []*anchor
	hand  int
	limit int
}

// certificate returns a's certificate, parsed.
func (r *ring) certificate(a *anchor) (*x509.Certificate, error) {
	if c := a.parsed.Load(); c != nil {
		if !a.used.Load() {
			a.used.Store(true)
		}
		return c, nil
	}
	c, err := pki.ParseDER(a.row.Certificate)
	if err != nil {
		return nil, err
	}
	if a.parsed.CompareAndSwap(nil, c) {
		r.hold(a)
	}
	return c, nil
}

func (r *ring) hold(a *anchor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.held) < r.limit {
		r.held = append(r.held, a)
		return
	}
	for r.held[r.hand].used.Swap(false) {
		r.hand = (r.hand + 1) % r.limit
	}
	r.held[r.hand].parsed.Store(nil)
	r.held[r.hand] = a
	r.hand = (r.hand + 1) % r.limit
}
