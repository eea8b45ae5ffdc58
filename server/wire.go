package server

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mooring/hsm"
	"mooring/internal/problem"
	"mooring/server/account"
	"mooring/server/alarmstatus"
	"mooring/server/attest"
	"mooring/server/audit"
	"mooring/server/binary"
	"mooring/server/ca"
	"mooring/server/config"
	"mooring/server/crlcheck"
	"mooring/server/deviceauth"
	"mooring/server/devicetoken"
	"mooring/server/estapi"
	"mooring/server/httpauth"
	"mooring/server/inventory"
	"mooring/server/mail"
	"mooring/server/mqttapi"
	"mooring/server/mqttservice"
	"mooring/server/notify"
	"mooring/server/notifyapi"
	"mooring/server/operation"
	"mooring/server/platform"
	"mooring/server/presence"
	"mooring/server/refusal"
	"mooring/server/registration"
	"mooring/server/restapi"
	"mooring/server/retention"
	"mooring/server/telemetry"
	"mooring/server/templates"
	"mooring/server/trust"
	"mooring/server/vault"
	"mooring/server/webui"
)

// systemVersion is what clients read as the platform's version.
const systemVersion = "2026.0.0"

// services are the wired parts of a server.
type services struct {
	store       platform.Store
	feed        *changeFeed
	log         *slog.Logger
	tailing     bool // other nodes write to the same store
	vault       *vault.Vault
	accounts    *account.Service
	trust       *trust.Trust
	lists       *crlcheck.Checker
	devices     *deviceauth.Auth
	refusals    *refusal.Recorder
	alerts      *authorityAlerts
	operations  *operation.Service
	notices     *notify.Service
	presence    *presence.Service
	alarmStatus *alarmstatus.Service
	chores      []chore
	lookEvery   time.Duration // Options.LookEvery
	retention   *retention.Service
	keys        *keyWatch

	est      *estapi.API
	rest     *restapi.API
	page     *webui.UI
	realtime *notifyapi.API
	mqtt     *mqttapi.Server

	service *mqttservice.Server
}

// wire builds every service on the store and every front end on the services.
// It reads and writes nothing yet but the key-encryption key.
func wire(ctx context.Context, cfg config.Config, opts Options, store platform.Store, feed *changeFeed, log *slog.Logger) (*services, error) {
	sealer, err := hsm.OpenSealer(ctx, cfg.Encryption(), cfg.Data)
	if err != nil {
		return nil, fmt.Errorf("key-encryption key: %w", err)
	}
	authorityKeys, err := authorityStore(ctx, cfg)
	if err != nil {
		return nil, err
	}
	watch := newKeyWatch(log)
	tellRecoveries(log, watch, "keys.encryption", sealer)
	tellRecoveries(log, watch, "keys.authority", authorityKeys)
	watch.add("keys.encryption", cfg.Encryption(), canSeal(sealer))
	if authorityKeys != nil {
		watch.add("keys.authority", cfg.Keys.Authority, canList(authorityKeys))
	}
	profile, err := ca.NewProfile(ca.ProfileConfig{CRLBase: cfg.CRLBase()})
	if err != nil {
		return nil, err
	}
	s := &services{store: store, feed: feed, log: log, tailing: cfg.Store.Postgres != "", lookEvery: opts.LookEvery, keys: watch}
	s.vault = vault.New(store, sealer, log)
	s.accounts = account.New(account.Config{Tenants: store, Users: store, Groups: store, InventoryRoles: store, IDs: store, Options: store, Bootstrap: s.vault, Sealer: s.vault,
		Domain: cfg.Names.Domain, PasswordCost: opts.PasswordCost, Log: log})
	s.lists = crlcheck.New(crlcheck.Config{AllowPrivate: cfg.Limits.CRLPrivateNetworks, Audits: store, Changed: s.listsChanged, Log: log})
	s.trust = trust.New(trust.Config{Certificates: store, Revocations: store, Options: store, Tenants: store, Lists: s.lists, Log: log})
	s.devices = deviceauth.New(deviceauth.Config{Trust: s.trust, Users: store, Secrets: s.vault, Log: log})
	s.refusals = refusal.New(refusal.Config{Store: store, Log: log})
	tokens := devicetoken.New(devicetoken.Config{Keys: store, Vault: s.vault, Options: s.accounts, Turns: store, Log: log})
	s.notices = notify.New(notify.Config{Store: store, IDs: store, Encode: noticeEncoder(s.accounts, cfg), Log: log})
	var others *broadcasts // nil: there are none
	if texts, able := store.(platform.Broadcasts); able && s.tailing {
		others = &broadcasts{Broadcasts: texts, mqtt: func(text string) { s.mqtt.Hear(text) }}
		s.notices.Poll, s.notices.Relay, s.notices.Fetch = noticePoll, others, fetchNotice(store)
	}
	needs := &presenceNeeds{}
	s.presence = presence.New(presence.Config{Store: store, Names: needs, Alarms: needs, Alone: !s.tailing, Log: log})
	registrations := registration.New(registration.Config{Store: store, IDs: store, MACs: s.vault, Options: s.accounts, Notices: s.notices, Log: log})
	objects := inventory.New(inventory.Config{Store: store, IDs: store, Names: store, Live: s.presence, Notices: s.notices, Log: log})
	s.notices.Objects = objects
	collections := templates.New(objects, nil)
	s.alarmStatus = alarmstatus.New(alarmstatus.Config{Alarms: store, Objects: objects, Tenants: store, Log: log})
	samples := telemetry.New(telemetry.Config{Store: store, IDs: store, Live: s.presence, Notices: s.notices, Options: s.accounts, Watcher: s.alarmStatus})
	needs.objects, needs.samples = objects, samples
	files := binary.New(binary.Config{Store: store, IDs: store, MaxBytes: cfg.Limits.BinaryBytes, Quota: cfg.Limits.BinaryQuota, Log: log})
	s.operations = operation.New(operation.Config{Store: store, IDs: store, Objects: objects, Options: s.accounts, Notices: s.notices, LookEvery: opts.LookEvery, Log: log})
	s.alerts = newAuthorityAlerts(objects, samples, log)
	if cfg.Mail.Server != "" {
		s.alerts.mail = mail.New(mail.Config{Server: cfg.Mail.Server, From: cfg.Mail.From, To: cfg.Mail.To})
	}
	attests := attest.New(attest.Config{Store: store, Keys: s.vault, Options: s.accounts, Seal: hsm.MakeCredential, Log: log})
	authority := ca.New(ca.Config{Store: store, Keys: store, Vault: s.vault, KeyStore: authorityKeys, Features: s.accounts, Options: s.accounts, Attestations: attests, Alerts: s.alerts, Profile: profile, Log: log})

	auth := httpauth.New(httpauth.Config{Accounts: s.accounts, Devices: s.devices, Tokens: tokens, Certificates: s.devices,
		Refusals: s.refusals, ReasonOf: deviceauth.ReasonOf, Log: log})
	s.est = estapi.New(estapi.Config{CA: authority, Auth: auth, Tenants: s.accounts, Refusals: s.refusals, Log: log})
	s.retention = retention.New(retention.Config{Rules: store, Tenants: store, IDs: store, Telemetry: store, Operations: store,
		Old: store, Changes: store, Every: opts.LookEvery, Log: log})
	s.rest = restapi.New(restapi.Config{Auth: auth, Accounts: s.accounts, DeviceUsers: store, Inventory: objects, Files: files, IDs: store, Telemetry: samples, Operations: s.operations,
		Audit: audit.New(store, time.Now), Retention: s.retention, Legacy: collections, Trust: s.trust, Authority: authority, Tokens: tokens, Registrations: registrations, Attestations: attests,
		Notifications: s.notices, NotificationTokens: tokens, Refusals: s.refusals, Described: append(estapi.Calls(), notifyapi.Calls()...), Version: systemVersion, Log: log})
	front := mqttapi.Config{
		Auth: mqttAuth{s.devices, s.accounts, "mqtts"}, Devices: objects, Objects: objects, Presence: s.presence, Wills: store, Alone: !s.tailing, Telemetry: samples, Operations: s.operations,
		Tokens: tokens, Registrations: mqttRegistrations{registrations, s.accounts}, Templates: collections, Legacy: mqttLegacy{s.rest, collections}, Refusals: s.refusals, Options: s.accounts, OneWay: cfg.TLS.OneWay, Version: systemVersion, Log: log,
		Limits: mqttapi.Limits{Handshake: cfg.Limits.ConnectWithin, Handshakes: cfg.Limits.Handshakes, Connections: cfg.Limits.Connections},
	}
	if nodes, able := store.(platform.Nodes); able && others != nil {
		front.Nodes, front.Tell = nodes, others.tellMQTT
	}
	s.mqtt = mqttapi.New(front)
	s.service = mqttservice.New(mqttservice.Config{
		Auth: mqttAuth{s.devices, s.accounts, "service"}, Refusals: s.refusals, Options: s.accounts, Alarms: newServiceAlarms(objects, samples, log),
		Store: store, Alone: !s.tailing, OneWay: cfg.TLS.OneWay, Log: log,
		Limits: mqttservice.Limits{Handshake: cfg.Limits.ConnectWithin, Handshakes: cfg.Limits.Handshakes, Connections: cfg.Limits.Connections},
	})
	s.realtime = notifyapi.New(notifyapi.Config{Auth: auth, Notices: s.notices, Objects: objects, Tokens: tokens, Legacy: collections, Log: log})
	if s.page, err = webui.New(); err != nil {
		return nil, fmt.Errorf("web page: %w", err)
	}
	s.chores = []chore{
		{"renewal of certificate authorities", authority.RenewDue},
		{"keys in tokens that belong to no certificate authority", authority.SweepKeys},
		{"removal of files that nobody needs", func(ctx context.Context) error { return files.Sweep(ctx, s.needsFile) }},
		{"notifications that nobody fetched", s.notices.Expire},
		{"rotation of the token signing key", func(ctx context.Context) error { _, err := tokens.RotateDue(ctx); return err }},
	}
	// The order matters: who judges a session must have forgotten before it is asked.
	feed.subscribe(s.accounts.Apply, s.trust.Apply, s.devices.Apply, objects.Apply, collections.Apply, authority.Apply, s.notices.Apply, s.judgeSessions, s.mqtt.Apply, s.presence.Apply, s.operations.Apply)
	return s, nil
}

// needsFile tells whether there is an object or an event that a file belongs to.
func (s *services) needsFile(ctx context.Context, tenant platform.TenantID, id platform.ID) (bool, error) {
	_, err := s.store.Object(ctx, tenant, id)
	if problem.KindOf(err) == problem.NotFound {
		_, err = s.store.Event(ctx, tenant, id)
	}
	if problem.KindOf(err) == problem.NotFound {
		return false, nil
	}
	return err == nil, err
}

// load reads what is kept in memory.
func (s *services) load(ctx context.Context) error {
	if err := s.presence.Load(ctx); err != nil {
		return err
	}
	if err := s.notices.Load(ctx); err != nil {
		return err
	}
	return s.trust.Load(ctx)
}

// run does what has to be done now and then, until ctx ends.
func (s *services) run(ctx context.Context) {
	var running sync.WaitGroup
	if s.tailing {
		running.Go(func() { s.feed.tail(ctx, s.store) })
	}
	running.Go(func() { s.lists.Run(ctx) })
	running.Go(func() { s.notices.Run(ctx) })
	running.Go(func() { s.retention.Run(ctx) })
	running.Go(func() { s.operations.Run(ctx) })
	running.Go(func() { s.operations.Keep(ctx) })
	running.Go(func() { s.presence.Run(ctx) })
	running.Go(func() { s.alarmStatus.Run(ctx) })
	running.Go(func() { s.keys.run(ctx) })
	s.refusals.Run(ctx)
	running.Wait()
}

// keepSchedule does what falls due while the server serves.
func (s *services) keepSchedule(ctx context.Context) {
	keepSchedule(ctx, s.log, s.lookEvery, s.chores)
	s.alerts.close()
}

// rotateTicketKey makes a session ticket key if there is none or the newest is
// a day old.
func (s *services) rotateTicketKey(ctx context.Context, now time.Time) error {
	newKey := vault.RandomBytes(ticketKeyBytes)
	if _, _, err := s.vault.Current(ctx, platform.Management, vault.PurposeSessionTicket, newKey); err != nil {
		return err
	}
	keys, err := s.vault.All(ctx, platform.Management, vault.PurposeSessionTicket)
	if err != nil {
		return err
	}
	if len(keys) > 0 && now.Sub(keys[0].Created) < ticketRotation {
		return nil
	}
	return s.vault.Rotate(ctx, platform.Management, vault.PurposeSessionTicket, newKey, ticketKeysKept)
}
