// Package trust keeps the certificates that tenants trust and decides which
// tenant, if any, a certificate chain belongs to.
//
// Verify is the decision: a pure function of the chain, the time and the
// current snapshot of every tenant's anchors and offline revocations; what it
// remembers of intermediates saves signature checks and chooses between two
// texts of a refusal (unknown issuer, chain incomplete), no more. The
// snapshot is immutable and replaced as a whole; reading it takes no lock, and
// a change copies what it touches. What Create, Update, Delete and Revoke did
// is in force when they return; changes by other nodes arrive through Apply.
//
//	key of a look-up               answers
//	(subject, public key)          who claims this key, and whose claim counts
//	subject [, key identifier]     which anchors may have issued a certificate whose issuer was not sent
//	fingerprint                    is this anchor still there and enabled
//	(tenant, serial)               is it on the tenant's offline list
//
// Memory: about 1.5 KiB an anchor and 40 bytes a revoked serial.
package trust

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Options reads a tenant's options; trust asks for the switch of the offline
// check.
type Options interface {
	Option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (platform.Option, error)
}

// Tenants lists who may have options.
type Tenants interface {
	Tenants(ctx context.Context) ([]platform.Tenant, error)
}

// DefaultMaxDepth is how many certificates a path may have, leaf and anchor
// included (mqtt.md §1.6).
const DefaultMaxDepth = 10

// DefaultMaxPerTenant bounds the trusted certificates of a tenant. Devices
// with self-signed certificates have one each.
const DefaultMaxPerTenant = 100_000

// Config says where trust reads and writes, and its limits.
type Config struct {
	Certificates platform.TrustedCertificates
	Revocations  platform.Revocations
	Options      Options
	Tenants      Tenants
	// Lists are asked if a tenant's online check is on. Nil: only the lists of
	// tenant CAs are checked.
	Lists Lists

	MaxDepth     int // zero: DefaultMaxDepth
	MaxPerTenant int // zero: DefaultMaxPerTenant

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: discards
}

// Trust is the service. Its methods may be called at once from anywhere.
type Trust struct {
	cfg     Config
	current atomic.Pointer[snapshot]
	parsed  ring
	issuers *issuerCache
	changes sync.Mutex // held while the store is read for a change and the snapshot swapped
}

// New returns a Trust that trusts nobody until Load.
func New(cfg Config) *Trust {
	if cfg.MaxDepth == 0 {
		cfg.MaxDepth = DefaultMaxDepth
	}
	if cfg.MaxPerTenant == 0 {
		cfg.MaxPerTenant = DefaultMaxPerTenant
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	t := &Trust{cfg: cfg, parsed: ring{limit: maxParsed}, issuers: newIssuerCache(maxIssuers)}
	t.current.Store(emptySnapshot())
	return t
}

// Generation counts the changes of the snapshot. A verdict of the current
// generation needs no second look but at the clock.
func (t *Trust) Generation() uint64 { return t.current.Load().generation }

// Load reads everything from the store. It may be called again; what it finds
// replaces what was there.
func (t *Trust) Load(ctx context.Context) error {
	t.changes.Lock()
	defer t.changes.Unlock()
	old := t.current.Load()
	fresh := emptySnapshot()
	fresh.generation = old.generation
	c := fresh.change()
	c.dirty = true
	if err := t.cfg.Certificates.AllTrustedCertificates(ctx, func(row platform.TrustedCertificate) error {
		t.put(c, row)
		return nil
	}); err != nil {
		return fmt.Errorf("load trusted certificates: %w", err)
	}
	if err := t.cfg.Revocations.AllRevocations(ctx, func(id platform.TenantID, r platform.Revocation) error {
		c.revoke(id, r.Serial)
		return nil
	}); err != nil {
		return fmt.Errorf("load revocations: %w", err)
	}
	if err := t.loadOptions(ctx, c); err != nil {
		return err
	}
	t.current.Store(c.seal(fresh))
	return nil
}

func (t *Trust) loadOptions(ctx context.Context, c *change) error {
	tenants, err := t.cfg.Tenants.Tenants(ctx)
	if err != nil {
		return fmt.Errorf("list tenants: %w", err)
	}
	for _, one := range tenants {
		on, err := t.offlineCheck(ctx, one.ID)
		if err != nil {
			return err
		}
		c.setOfflineCheck(one.ID, on)
		days, err := t.graceDays(ctx, one.ID)
		if err != nil {
			return err
		}
		c.setGraceDays(one.ID, days)
		online, strict, err := t.onlineCheck(ctx, one.ID)
		if err != nil {
			return err
		}
		c.setOnlineCheck(one.ID, online, strict)
	}
	return nil
}

// offlineCheck reads the tenant's switch; it is off unless it says "true".
func (t *Trust) offlineCheck(ctx context.Context, id platform.TenantID) (bool, error) {
	o, err := t.cfg.Options.Option(ctx, id, platform.OptionOfflineCheck)
	if errors.Is(err, problem.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s of tenant %s: %w", platform.OptionOfflineCheck.Key, id, err)
	}
	return o.Value == "true", nil
}

// put adds row to c. A row that cannot be parsed trusts nobody.
func (t *Trust) put(c *change, row platform.TrustedCertificate) {
	a, err := newAnchor(row)
	if err != nil {
		t.cfg.Log.Error("trusted certificate in the store cannot be parsed", "tenant", row.Tenant, "fingerprint", row.Fingerprint, "err", err)
		return
	}
	c.put(a)
}

// Apply reads again what a change is about. Applying a change twice, late or
// in another order does no harm. Changes of other kinds are ignored.
func (t *Trust) Apply(ctx context.Context, ch platform.Change) error {
	switch {
	case ch.Kind == platform.ChangeTrust:
		return t.edit(func(c *change) error { return t.applyCertificate(ctx, c, ch.Tenant, ch.Key) })
	case ch.Kind == platform.ChangeRevocation:
		return t.edit(func(c *change) error { return t.applyRevocations(ctx, c, ch.Tenant, ch.Key) })
	case ch.Kind == platform.ChangeOption && ch.Key == platform.OptionOfflineCheck.Category+"/"+platform.OptionOfflineCheck.Key:
		return t.edit(func(c *change) error {
			on, err := t.offlineCheck(ctx, ch.Tenant)
			if err == nil {
				c.setOfflineCheck(ch.Tenant, on)
			}
			return err
		})
	case ch.Kind == platform.ChangeOption && (ch.Key == platform.OptionOnlineCheck.Category+"/"+platform.OptionOnlineCheck.Key ||
		ch.Key == platform.OptionOnlineFailure.Category+"/"+platform.OptionOnlineFailure.Key):
		return t.edit(func(c *change) error {
			on, strict, err := t.onlineCheck(ctx, ch.Tenant)
			if err == nil {
				c.setOnlineCheck(ch.Tenant, on, strict)
			}
			return err
		})
	case ch.Kind == platform.ChangeOption && ch.Key == platform.OptionGraceDays.Category+"/"+platform.OptionGraceDays.Key:
		return t.edit(func(c *change) error {
			days, err := t.graceDays(ctx, ch.Tenant)
			if err == nil {
				c.setGraceDays(ch.Tenant, days)
			}
			return err
		})
	}
	return nil
}

// edit runs f, which reads the store, and swaps the snapshot. Because it holds
// the lock over both, what was read last is what counts.
func (t *Trust) edit(f func(*change) error) error {
	t.changes.Lock()
	defer t.changes.Unlock()
	old := t.current.Load()
	c := old.change()
	if err := f(c); err != nil {
		return err
	}
	t.current.Store(c.seal(old))
	return nil
}

func (t *Trust) applyCertificate(ctx context.Context, c *change, id platform.TenantID, fingerprint string) error {
	row, err := t.cfg.Certificates.TrustedCertificate(ctx, id, fingerprint)
	if errors.Is(err, problem.NotFound) {
		// Deleted, unless another tenant has uploaded it since.
		if a, ok := c.prints.get(printKey(fingerprint)); ok && a.row.Tenant == id {
			c.drop(a)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read trusted certificate %s: %w", fingerprint, err)
	}
	t.put(c, row)
	return nil
}

// applyRevocations adds the serial named by hex, or whatever is new if it is
// empty. Entries never go away.
func (t *Trust) applyRevocations(ctx context.Context, c *change, id platform.TenantID, hex string) error {
	if n, ok := new(big.Int).SetString(hex, 16); ok {
		c.revoke(id, n)
		return nil
	}
	listed, err := t.cfg.Revocations.Revocations(ctx, id)
	if err != nil {
		return fmt.Errorf("read revocations of tenant %s: %w", id, err)
	}
	for _, r := range listed {
		c.revoke(id, r.Serial)
	}
	return nil
}
