// Package account keeps tenants, their people, their options and features.
//
// People prove themselves by password. Passwords are hashed with argon2id; at
// most GOMAXPROCS hashes run at once, who waits too long gets problem.TooMany,
// and who was verified a moment ago is not hashed again (design decision 9).
// Devices are no business of this package: their user names begin with
// "device_" and server/deviceauth knows them.
//
// What is read on each request is cached: tenants (all, bounded by their
// number; ChangeTenant), verified passwords (MaxVerified; ChangeUser), people and ended
// logins (MaxVerified; ChangeUser, ChangeSession), groups of people (of
// maxGroupCache tenants; ChangeGroup, which forgets all people, too), options
// (maxOptionCache; ChangeOption). Apply forgets what a change names; a node
// hears of another's change within 5 s.
package account

import (
	"context"
	"crypto/rand"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"

	"mooring/server/platform"
)

// Config says what a Service works on.
type Config struct {
	Tenants platform.Tenants
	Users   platform.Users
	Groups  platform.Groups
	// InventoryRoles keeps what people may do with single objects.
	InventoryRoles platform.InventoryRoles
	IDs            platform.IDs // of new groups
	Options        platform.Options
	// Bootstrap keeps the password of management/devicebootstrap; nil: there is
	// no such user.
	Bootstrap Bootstrap
	// Sealer encrypts options that are credentials; nil: they are refused.
	Sealer Sealer
	// Domain is what tenants' host names end with, "example.com"; empty: they have
	// the domains they were created with alone.
	Domain string
	// Failures bounds wrong passwords.
	Failures FailureLimits

	// PasswordCost is what a password's hash costs; zero is Usual.
	PasswordCost Cost
	// Verifications is how many password hashes run at once; zero is GOMAXPROCS.
	Verifications int
	// MaxWait is how long a login waits for its turn; zero is DefaultMaxWait.
	MaxWait time.Duration
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil discards
}

// DefaultMaxWait bounds the wait for a password hash. A hash takes about 30 ms,
// so this is a queue of some 60 a processor.
const DefaultMaxWait = 2 * time.Second

// maxGroupCache is for how many tenants the groups of people stay in memory.
const maxGroupCache = 1000

// Service is the accounts of an instance.
type Service struct {
	tenants        platform.Tenants
	users          platform.Users
	groupStore     platform.Groups
	inventoryRoles platform.InventoryRoles
	ids            platform.IDs
	options        platform.Options
	now            func() time.Time
	log            *slog.Logger

	passwordCost Cost

	maxWait  time.Duration
	turns    chan struct{} // holds one element a running hash
	verified *verified
	settings *memo[settingKey, setting]
	people   *memo[userKey, platform.User]
	groups   *memo[platform.TenantID, []platform.Group]
	ended    *memo[sessionKey, bool]
	failures *failures

	bootstrap Bootstrap
	sealer    Sealer
	domain    string

	mu     sync.Mutex // guards known
	known  *directory // nil: to be read
	forgot uint64     // counts how often known was dropped; guarded by mu
}

// New returns a Service on the stores of c.
func New(c Config) *Service {
	if c.Verifications <= 0 {
		c.Verifications = runtime.GOMAXPROCS(0)
	}
	if c.MaxWait <= 0 {
		c.MaxWait = DefaultMaxWait
	}
	if c.PasswordCost == (Cost{}) {
		c.PasswordCost = Usual
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return &Service{
		tenants:        c.Tenants,
		users:          c.Users,
		groupStore:     c.Groups,
		inventoryRoles: c.InventoryRoles,
		ids:            c.IDs,
		options:        c.Options,
		now:            c.Now,
		log:            c.Log,
		passwordCost:   c.PasswordCost,
		maxWait:        c.MaxWait,
		turns:          make(chan struct{}, c.Verifications),
		verified:       newVerified(key),
		settings:       newMemo[settingKey, setting](maxOptionCache),
		people:         newMemo[userKey, platform.User](MaxVerified),
		groups:         newMemo[platform.TenantID, []platform.Group](maxGroupCache),
		ended:          newMemo[sessionKey, bool](MaxVerified),
		failures:       newFailures(c.Failures),

		bootstrap: c.Bootstrap,
		sealer:    c.Sealer,
		domain:    strings.ToLower(c.Domain),
	}
}

// Apply forgets what c says has changed. It is idempotent.
func (s *Service) Apply(_ context.Context, c platform.Change) error {
	switch c.Kind {
	case platform.ChangeTenant:
		s.forgetTenants()
	case platform.ChangeUser:
		s.forgetUser(c.Tenant, c.Key)
	case platform.ChangeGroup:
		s.forgetGroups(c.Tenant)
	case platform.ChangeSession:
		s.ended.forget(sessionKey{c.Tenant, c.Key})
	case platform.ChangeOption:
		s.forgetOption(c.Tenant, c.Key)
	}
	return nil
}
