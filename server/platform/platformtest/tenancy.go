package platformtest

import (
	"context"
	"encoding/json"
	"math/big"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// furnish gives a tenant one of everything that a name identifies, under the
// same names for every tenant. mark tells the tenants' values apart.
func (f *fixture) furnish(t platform.TenantID, mark string) (object platform.ID) {
	f.Helper()
	ctx := f.Context()
	f.must(f.PutUser(ctx, platform.User{Tenant: t, Name: "ann", Email: mark}))
	f.must(f.SetOptions(ctx, t, []platform.Option{{OptionKey: platform.OptionKey{Category: "c", Key: "k"}, Value: mark}}))
	f.must(f.PutSealedKey(ctx, platform.SealedKey{Tenant: t, Purpose: "p", KeyID: "k", Sealed: []byte(mark)}))
	r, u := registration(), deviceUser("dev1")
	r.Tenant, r.Owner, u.Tenant, u.Password = t, mark, t, platform.SecretMAC{KeyID: mark, MAC: []byte{1}}
	object = f.newID()
	got[platform.Registered](f)(f.Register(ctx, platform.RegisterDevice{
		Registration: r, User: &u, Object: platform.ManagedObject{ID: object, Name: mark, Fragments: platform.Fragments{"f": json.RawMessage("1")}},
		ExternalIDs: []platform.ExternalID{{Type: "t", Value: "v"}}, Groups: []string{"g"}, GroupIDs: []platform.ID{f.newID()},
	}))
	got[bool](f)(f.RecordProvisioned(ctx, t, "dev1", platform.ProvisionedCertificate{Serial: "aa"}))
	got[int](f)(f.AddRevocations(ctx, t, []platform.Revocation{{Serial: big.NewInt(7), At: at(len(mark))}}))
	c := leaf("01")
	c.Tenant, c.Certificate = t, []byte(mark)
	f.must(f.Issue(ctx, platform.Issue{Certificate: c, Enrolment: enrolment(1)}))
	f.must(f.AppendAudit(ctx, platform.AuditRecord{Tenant: t, Text: mark, Source: "mark"}))
	f.must(f.SaveRefusals(ctx, []platform.Refusal{{Tenant: t, CN: "dev1", Detail: mark}}, 1))
	p := staged(1)
	p.Tenant, p.Payload = t, []byte(mark)
	f.stage(p)
	f.must(f.submit(platform.Batch{
		Tenant:       t,
		Measurements: []platform.Measurement{{ID: f.newID(), Source: source1, Type: mark, Time: day}},
		Events:       []platform.Event{{ID: f.newID(), Source: source1, Type: mark, Time: day}},
		Alarms:       []platform.Alarm{{ID: f.newID(), Source: source1, Type: "same", Text: mark, Status: platform.Active, Time: day}},
	}))
	return object
}

// describe reads back what furnish wrote; each text must be the mark.
func (f *fixture) describe(t platform.TenantID) map[string]string {
	f.Helper()
	ctx := f.Context()
	all := platform.TelemetryFilter{}
	texts := map[string]string{
		"user":         got[platform.User](f)(f.User(ctx, t, "ann")).Email,
		"option":       got[platform.Option](f)(f.Option(ctx, t, platform.OptionKey{Category: "c", Key: "k"})).Value,
		"options":      join(f, got[[]platform.Option](f)(f.Options(ctx, t, "")), func(o platform.Option) string { return o.Value }),
		"sealed key":   string(got[platform.SealedKey](f)(f.SealedKey(ctx, t, "p", "k")).Sealed),
		"sealed keys":  join(f, got[[]platform.SealedKey](f)(f.SealedKeys(ctx, t, "p")), func(k platform.SealedKey) string { return string(k.Sealed) }),
		"registration": got[platform.Registration](f)(f.Registration(ctx, t, "dev1")).Owner,
		"spent OTP":    string(got[platform.Registration](f)(f.Registration(ctx, t, "dev1")).OTPSpent.Certificate),
		"device user":  got[platform.DeviceUser](f)(f.DeviceUser(ctx, t, "dev1")).Password.KeyID,
		"staged":       string(got[platform.StagedPublish](f)(f.Staged(ctx, platform.StagedKey{Tenant: t, Device: "dev1", PacketID: 1})).Payload),
		"open alarm":   got[platform.Alarm](f)(f.OpenAlarm(ctx, t, source1, "same")).Text,
	}
	id := got[platform.ID](f)(f.ObjectByExternalID(ctx, t, platform.ExternalID{Type: "t", Value: "v"}))
	texts["object"] = got[platform.ManagedObject](f)(f.Object(ctx, t, id)).Name
	listed(f, texts, "registrations", f.Registrations, t, func(r platform.Registration) string { return r.Owner })
	texts["device users"] = join(f, got[platform.List[platform.DeviceUser]](f)(f.DeviceUsers(ctx, t, platform.UserFilter{}, everything)).Items,
		func(u platform.DeviceUser) string { return u.Password.KeyID })
	texts["issued"] = join(f, got[platform.List[platform.IssuedCertificate]](f)(f.IssuedCertificates(ctx, t, "", everything)).Items,
		func(c platform.IssuedCertificate) string { return string(c.Certificate) })
	texts["objects"] = join(f, got[platform.List[platform.ManagedObject]](f)(f.Objects(ctx, t, platform.ObjectFilter{FragmentType: "f"}, everything)).Items,
		func(o platform.ManagedObject) string { return o.Name })
	texts["audit"] = join(f, got[platform.List[platform.AuditRecord]](f)(f.AuditRecords(ctx, t, platform.AuditFilter{Source: "mark"}, everything)).Items,
		func(a platform.AuditRecord) string { return a.Text })
	texts["refusals"] = join(f, got[platform.List[platform.Refusal]](f)(f.Refusals(ctx, t, "dev1", everything)).Items,
		func(r platform.Refusal) string { return r.Detail })
	texts["measurements"] = join(f, got[platform.List[platform.Measurement]](f)(f.Measurements(ctx, t, all, everything)).Items,
		func(m platform.Measurement) string { return m.Type })
	texts["events"] = join(f, got[platform.List[platform.Event]](f)(f.Events(ctx, t, all, everything)).Items,
		func(e platform.Event) string { return e.Type })
	texts["alarms"] = join(f, got[platform.List[platform.Alarm]](f)(f.Alarms(ctx, t, all, everything)).Items,
		func(a platform.Alarm) string { return a.Text })
	equal(f, "alarms counted", got[int64](f)(f.CountAlarms(ctx, t, all)), 1)
	equal(f, "provisioned", len(got[platform.DeviceUser](f)(f.DeviceUser(ctx, t, "dev1")).Provisioned), 1)
	equal(f, "groups", len(got[platform.List[platform.ManagedObject]](f)(f.Objects(ctx, t, platform.ObjectFilter{Name: "g"}, everything)).Items), 1)
	return texts
}

// join wants a list of one and returns its text.
func join[T any](f *fixture, items []T, text func(T) string) string {
	f.Helper()
	equal(f, "elements of a list", len(items), 1)
	return text(items[0])
}

type lister[T any] func(context.Context, platform.TenantID, platform.Page) (platform.List[T], error)

func listed[T any](f *fixture, texts map[string]string, what string, read lister[T], t platform.TenantID, text func(T) string) {
	f.Helper()
	texts[what] = join(f, got[platform.List[T]](f)(read(f.Context(), t, everything)).Items, text)
}

// intrude tries, as tenant t, everything that touches a row by name or by
// the ID of another tenant's object. Each must find nothing.
func (f *fixture) intrude(t platform.TenantID, object platform.ID, of platform.TenantID) {
	f.Helper()
	ctx := f.Context()
	all := platform.TelemetryFilter{}
	m := got[platform.List[platform.Measurement]](f)(f.Measurements(ctx, of, all, everything)).Items[0]
	e := got[platform.List[platform.Event]](f)(f.Events(ctx, of, all, everything)).Items[0]
	a := got[platform.List[platform.Alarm]](f)(f.Alarms(ctx, of, all, everything)).Items[0]
	au := got[platform.List[platform.AuditRecord]](f)(f.AuditRecords(ctx, of, platform.AuditFilter{Source: "mark"}, everything)).Items[0]
	rule := got[[]platform.RetentionRule](f)(f.RetentionRules(ctx, of))[0]
	mine := f.newID()
	f.must(f.CreateObject(ctx, t, platform.CreateObject{Object: platform.ManagedObject{ID: mine, Name: "mine"}}))
	attempts := map[string]error{
		"update object":      err2(f.UpdateObject(ctx, t, platform.UpdateObject{ID: object, Name: pointer("stolen")})),
		"delete object":      f.DeleteObjects(ctx, t, []platform.ID{object}),
		"doomed":             err2(f.Doomed(ctx, t, object, platform.DeleteHierarchy, 9)),
		"object":             err2(f.Object(ctx, t, object)),
		"external IDs":       err2(f.ExternalIDs(ctx, t, object)),
		"bind":               f.BindExternalID(ctx, t, object, platform.ExternalID{Type: "new", Value: "v"}),
		"child":              f.AddChild(ctx, t, platform.ChildLink{Parent: mine, Kind: platform.ChildDevices, Child: object}),
		"parent":             f.AddChild(ctx, t, platform.ChildLink{Parent: object, Kind: platform.ChildDevices, Child: mine}),
		"children":           err2(f.Children(ctx, t, object, platform.ChildAssets, everything)),
		"parents":            err2(f.Parents(ctx, t, object, platform.ChildAssets)),
		"measurement":        err2(f.Measurement(ctx, t, m.ID)),
		"delete measurement": f.DeleteMeasurement(ctx, t, m.ID),
		"event":              err2(f.Event(ctx, t, e.ID)),
		"update event":       err2(f.UpdateEvent(ctx, t, platform.EventUpdate{ID: e.ID})),
		"delete event":       f.DeleteEvent(ctx, t, e.ID),
		"alarm":              err2(f.Alarm(ctx, t, a.ID)),
		"update alarm":       err3(f.UpdateAlarm(ctx, t, platform.AlarmUpdate{ID: a.ID, Status: platform.Cleared})),
		"retention rule":     err2(f.RetentionRule(ctx, t, rule.ID)),
		"delete rule":        f.DeleteRetentionRule(ctx, t, rule.ID),
		"audit":              err2(f.AuditRecord(ctx, t, au.ID)),
	}
	for what, err := range attempts {
		if problem.KindOf(err) != problem.NotFound {
			f.Errorf("%s of another tenant: got %v, want not found", what, err)
		}
	}
	for kind, id := range map[platform.TelemetryKind]platform.ID{platform.Measurements: m.ID, platform.Events: e.ID, platform.Alarms: a.ID} {
		equal(f, "deleted of another tenant", got[int](f)(f.DeleteTelemetry(ctx, t, kind, []platform.ID{id})), 0)
	}
	equal(f, "alarms of another tenant", len(got[[]platform.Alarm](f)(f.SetAlarmStatus(ctx, t, []platform.ID{a.ID}, platform.Cleared, day, "x", nil))), 0)
	equal(f, "descendants of another tenant", len(got[[]platform.ID](f)(f.Descendants(ctx, t, object,
		[]platform.ChildKind{platform.ChildDevices, platform.ChildAssets, platform.ChildAdditions}, 10))), 0)
	f.must(f.DeleteObjects(ctx, t, []platform.ID{mine}))
}

func err2[T any](_ T, err error) error { return err }

func err3[T any](_, _ T, err error) error { return err }

var tenancyChecks = []check{
	{"the same names in two tenants never mix", func(f *fixture) {
		f.tenants()
		ofAcme, ofOther := f.furnish(acme, "acme"), f.furnish(other, "otherwise")
		check := func(t platform.TenantID, mark string) {
			f.Helper()
			for what, text := range f.describe(t) {
				equal(f, string(t)+" "+what, text, mark)
			}
		}
		check(acme, "acme")
		check(other, "otherwise")
		f.intrude(acme, ofOther, other)
		f.intrude(other, ofAcme, acme)
		check(acme, "acme")
		check(other, "otherwise")
	}},
	{"deleting in one tenant leaves the other alone", func(f *fixture) {
		f.tenants()
		f.furnish(acme, "acme")
		object := f.furnish(other, "otherwise")
		ctx := f.Context()
		f.must(f.DeleteOption(ctx, other, platform.OptionKey{Category: "c", Key: "k"}))
		f.must(f.DeleteSealedKey(ctx, other, "p", "k"))
		f.must(f.DeleteRegistration(ctx, other, "dev1"))
		f.must(f.SetDeviceUserEnabled(ctx, other, "dev1", false))
		f.must(f.DeleteDeviceUser(ctx, other, "dev1"))
		f.must(f.UnbindExternalID(ctx, other, platform.ExternalID{Type: "t", Value: "v"}))
		f.must(f.DeleteObjects(ctx, other, []platform.ID{object}))
		f.must(f.DropStaged(ctx, other, "dev1"))
		f.must(f.submit(platform.Batch{Tenant: other, AlarmChanges: []platform.AlarmChange{{Source: source1, Type: "same", Status: platform.Cleared}}}))
		for what, text := range f.describe(acme) {
			equal(f, what, text, "acme")
		}
		equal(f, "device user is enabled", got[platform.DeviceUser](f)(f.DeviceUser(ctx, acme, "dev1")).Enabled, true)
	}},
	{"an issuer each", func(f *fixture) {
		f.tenants()
		for n, t := range []platform.TenantID{acme, other} {
			i, k, c := issuer("k", []string{"aa", "bb"}[n])
			i.Tenant, k.Tenant, c.Tenant = t, t, t
			f.must(f.CreateIssuer(f.Context(), i, k, c))
		}
		f.kind(f.DeleteTrustedCertificate(f.Context(), other, "aa"), problem.NotFound)
		f.kind(f.UpdateTrustedCertificate(f.Context(), platform.TrustedCertificate{Tenant: other, Fingerprint: "aa"}), problem.NotFound)
		f.must(f.DeleteTrustedCertificate(f.Context(), other, "bb"))
		got[platform.Issuer](f)(f.Issuer(f.Context(), acme))
		got[platform.SealedKey](f)(f.SealedKey(f.Context(), acme, "tenant-ca", "k"))
		_, err := f.Issuer(f.Context(), other)
		f.kind(err, problem.NotFound)
		i, k, c := issuer("k9", "cc")
		k.Tenant = other
		f.kind(f.CreateIssuer(f.Context(), i, k, c), problem.Invalid)
	}},
}
