package platformtest

import (
	"encoding/json"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// otp is the MAC of an OTP; n tells them apart.
func otp(n byte) platform.SecretMAC { return platform.SecretMAC{KeyID: "k1", MAC: []byte{n, 2, 3}} }

// registration of dev1 in acme.
func registration() platform.Registration {
	return platform.Registration{
		Tenant: acme, ExternalID: "dev1", Status: platform.StatusAccepted, Owner: "admin", OTP: otp(1),
		Type: "thin-edge.io", GroupID: 77, Created: day,
	}
}

// leaf is a certificate of dev1 in acme.
func leaf(serial string) platform.IssuedCertificate {
	return platform.IssuedCertificate{
		Tenant: acme, Serial: serial, ExternalID: "dev1", KeyHash: [32]byte{31: 9}, Certificate: []byte("DER of " + serial),
		NotBefore: at(-60), NotAfter: at(1000), IssuedAt: at(1),
	}
}

func enrolment(epoch int64) *platform.OTPSpending {
	return &platform.OTPSpending{ExternalID: "dev1", Epoch: epoch}
}

var registrationChecks = []check{
	{"registration is created, replaced with the next epoch, deleted", func(f *fixture) {
		f.tenants()
		r := registration()
		done := got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: r}, audit("one")))
		equal(f, "first", done, platform.Registered{Created: true})
		r.Epoch = 1
		equal(f, "registration", got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1")), r)

		r.Status, r.OTP, r.Owner, r.Type, r.GroupID, r.Created = platform.StatusWaiting, platform.SecretMAC{}, "", "", 0, at(5)
		done = got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: r}, audit("two")))
		equal(f, "again", done, platform.Registered{})
		r.Epoch = 2
		equal(f, "replaced", got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1")), r)

		f.must(f.DeleteRegistration(f.Context(), acme, "dev1", audit("gone")))
		_, err := f.Registration(f.Context(), acme, "dev1")
		f.kind(err, problem.NotFound)
		f.kind(f.DeleteRegistration(f.Context(), acme, "dev1", audit("no")), problem.NotFound)

		got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: r}))
		equal(f, "epoch goes on", got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1")).Epoch, 3)
		equal(f, "audit", f.audits(), []string{"one", "two", "gone"})
		_, err = f.Register(f.Context(), platform.RegisterDevice{Registration: platform.Registration{Tenant: acme}})
		f.kind(err, problem.Invalid)
	}},
	{"registrations in pages", func(f *fixture) {
		f.tenants()
		for _, id := range []string{"c", "a", "b"} {
			r := registration()
			r.ExternalID = id
			got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: r}))
		}
		l := got[platform.List[platform.Registration]](f)(f.Registrations(f.Context(), acme, everything))
		equal(f, "IDs", collect(l.Items, func(r platform.Registration) string { return r.ExternalID }), []string{"a", "b", "c"})
		pages(f, 3, func(p platform.Page) (platform.List[platform.Registration], error) {
			return f.Registrations(f.Context(), acme, p)
		})
	}},
	{"a registration advances from the state that was read", func(f *fixture) {
		f.tenants()
		r := registration()
		r.OTP, r.Status, r.HandsOut, r.OperatorToken = platform.SecretMAC{}, platform.StatusWaiting, true, otp(4)
		r.Custom = platform.Fragments{"x": json.RawMessage("1")}
		r.Extra = platform.Fragments{"y": json.RawMessage(`{"z":[2]}`)}
		got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: r}))
		have := got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1"))
		r.Epoch = 1
		equal(f, "as it was registered", have, r)
		next := have
		next.Status, next.DeviceToken, next.Tries = platform.StatusPending, otp(5), 1
		f.must(f.AdvanceRegistration(f.Context(), have, next, audit("one")))
		f.kind(f.AdvanceRegistration(f.Context(), have, next, audit("no")), problem.Conflict)
		equal(f, "advanced", got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1")), next)
		stale := next
		stale.Tries = 0
		f.kind(f.AdvanceRegistration(f.Context(), stale, next, audit("no")), problem.Conflict)
		stale = next
		stale.Epoch = 2
		f.kind(f.AdvanceRegistration(f.Context(), stale, next, audit("no")), problem.Conflict)
		equal(f, "audit", f.audits(), []string{"one"})
	}},
	{"a password is handed out once, with all that goes with it", func(f *fixture) {
		f.tenants()
		group := platform.ManagedObject{ID: f.newID(), Tenant: acme, Name: "g", Created: day, Updated: day}
		f.must(f.CreateObject(f.Context(), acme, platform.CreateObject{Object: group}))
		cmd := f.registerDevice()
		cmd.Registration.GroupID, cmd.Registration.HandsOut, cmd.Registration.Status = group.ID, true, platform.StatusPending
		got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: cmd.Registration}))
		equal(f, "awaited", len(got[[]platform.Registration](f)(f.Awaited(f.Context(), "dev1"))), 1)
		equal(f, "another", len(got[[]platform.Registration](f)(f.Awaited(f.Context(), "dev"))), 0)
		have := got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1"))
		cmd.Registration = have
		_, err := f.HandOut(f.Context(), cmd, audit("no"))
		f.kind(err, problem.Conflict)
		next := have
		next.Status = platform.StatusAccepted
		f.must(f.AdvanceRegistration(f.Context(), have, next))
		done := got[platform.Registered](f)(f.HandOut(f.Context(), cmd, audit("out")))
		equal(f, "done", done, platform.Registered{Created: true, ObjectID: cmd.Object.ID})
		_, err = f.HandOut(f.Context(), cmd, audit("no"))
		f.kind(err, problem.Conflict)
		_, err = f.Registration(f.Context(), acme, "dev1")
		f.kind(err, problem.NotFound)
		equal(f, "user", got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev1")), *cmd.User)
		l := got[platform.List[platform.ManagedObject]](f)(f.Children(f.Context(), acme, group.ID, platform.ChildAssets, everything))
		equal(f, "in the group", collect(l.Items, func(o platform.ManagedObject) platform.ID { return o.ID }), []platform.ID{cmd.Object.ID})
		equal(f, "awaited", len(got[[]platform.Registration](f)(f.Awaited(f.Context(), "dev1"))), 0)
		equal(f, "audit", f.audits(), []string{"out"})
	}},
	{"OTP is spent once", func(f *fixture) {
		f.tenants()
		got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: registration()}))
		f.kind(f.Issue(f.Context(), platform.Issue{Certificate: leaf("01"), Enrolment: enrolment(2)}, audit("no")), problem.Conflict)
		f.kind(f.Issue(f.Context(), platform.Issue{Certificate: leaf("01"), Enrolment: &platform.OTPSpending{ExternalID: "dev2", Epoch: 1}}), problem.Conflict)
		equal(f, "unspent", got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1")).OTPSpent, nil)
		f.must(f.Issue(f.Context(), platform.Issue{Certificate: leaf("02"), Enrolment: enrolment(1)}, audit("issued")))
		want := &platform.SpentOTP{KeyHash: [32]byte{31: 9}, Serial: "02", Certificate: []byte("DER of 02"), At: at(1)}
		equal(f, "spent", got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1")).OTPSpent, want)
		f.kind(f.Issue(f.Context(), platform.Issue{Certificate: leaf("03"), Enrolment: enrolment(1)}, audit("no")), problem.Conflict)
		l := got[platform.List[platform.IssuedCertificate]](f)(f.IssuedCertificates(f.Context(), acme, "dev1", everything))
		equal(f, "issued", l.Items, []platform.IssuedCertificate{leaf("02")})
		equal(f, "audit", f.audits(), []string{"issued"})
	}},
	{"a new registration makes the OTP good again", func(f *fixture) {
		f.tenants()
		got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: registration()}))
		f.must(f.Issue(f.Context(), platform.Issue{Certificate: leaf("01"), Enrolment: enrolment(1)}))
		got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: registration()}))
		equal(f, "unspent", got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1")).OTPSpent, nil)
		f.kind(f.Issue(f.Context(), platform.Issue{Certificate: leaf("02"), Enrolment: enrolment(1)}), problem.Conflict)
		f.must(f.Issue(f.Context(), platform.Issue{Certificate: leaf("02"), Enrolment: enrolment(2)}))
	}},
	{"a registration without OTP cannot be spent", func(f *fixture) {
		f.tenants()
		r := registration()
		r.OTP = platform.SecretMAC{}
		got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: r}))
		f.kind(f.Issue(f.Context(), platform.Issue{Certificate: leaf("01"), Enrolment: enrolment(1)}), problem.Conflict)
	}},
}

// registerDevice is a whole row of a bulk registration.
func (f *fixture) registerDevice() platform.RegisterDevice {
	u := deviceUser("dev1")
	return platform.RegisterDevice{
		Registration: registration(),
		Object: platform.ManagedObject{
			ID: f.newID(), Name: "Device 1", Type: "thin-edge.io", Owner: "device_dev1", Created: day, Updated: day,
			Fragments: platform.Fragments{platform.FragmentIsDevice: json.RawMessage("{}")},
		},
		ExternalIDs: []platform.ExternalID{{Type: platform.SerialType, Value: "dev1"}, {Type: "imei", Value: "4711"}},
		User:        &u,
	}
}

var registerObjectChecks = []check{
	{"register creates everything at once", func(f *fixture) {
		f.tenants()
		cmd := f.registerDevice()
		done := got[platform.Registered](f)(f.Register(f.Context(), cmd, audit("registered")))
		equal(f, "result", done, platform.Registered{Created: true, ObjectID: cmd.Object.ID})
		want := cmd.Object
		want.Tenant = acme
		equal(f, "object", got[platform.ManagedObject](f)(f.Object(f.Context(), acme, cmd.Object.ID)), want)
		equal(f, "user", got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev1")), deviceUser("dev1"))
		equal(f, "external IDs", got[[]platform.ExternalID](f)(f.ExternalIDs(f.Context(), acme, cmd.Object.ID)), cmd.ExternalIDs)
	}},
	{"register again updates the credential and keeps the object", func(f *fixture) {
		f.tenants()
		cmd := f.registerDevice()
		got[platform.Registered](f)(f.Register(f.Context(), cmd))
		f.must(f.SetDeviceUserEnabled(f.Context(), acme, "dev1", false))
		second := f.registerDevice()
		second.Object.Name = "another name"
		second.User.Credential, second.User.Password, second.User.Created = platform.CredentialPassword, otp(7), at(9)
		done := got[platform.Registered](f)(f.Register(f.Context(), second))
		equal(f, "result", done, platform.Registered{CredentialUpdated: true, ObjectID: cmd.Object.ID})
		equal(f, "name", got[platform.ManagedObject](f)(f.Object(f.Context(), acme, cmd.Object.ID)).Name, "Device 1")
		_, err := f.Object(f.Context(), acme, second.Object.ID)
		f.kind(err, problem.NotFound)
		want := deviceUser("dev1")
		want.Credential, want.Password, want.Enabled = platform.CredentialPassword, otp(7), false
		equal(f, "user", got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev1")), want)
	}},
	{"register is all or nothing", func(f *fixture) {
		f.tenants()
		taken := f.registerDevice()
		got[platform.Registered](f)(f.Register(f.Context(), taken))
		cmd := f.registerDevice()
		cmd.Registration.ExternalID, cmd.User.ExternalID = "dev2", "dev2"
		cmd.ExternalIDs = []platform.ExternalID{{Type: platform.SerialType, Value: "dev2"}, {Type: "imei", Value: "4711"}}
		_, err := f.Register(f.Context(), cmd, audit("no"))
		f.kind(err, problem.Conflict)
		_, err = f.Registration(f.Context(), acme, "dev2")
		f.kind(err, problem.NotFound)
		_, err = f.DeviceUser(f.Context(), acme, "dev2")
		f.kind(err, problem.NotFound)
		_, err = f.Object(f.Context(), acme, cmd.Object.ID)
		f.kind(err, problem.NotFound)
		_, err = f.ObjectByExternalID(f.Context(), acme, platform.ExternalID{Type: platform.SerialType, Value: "dev2"})
		f.kind(err, problem.NotFound)
		equal(f, "audit", f.audits(), nil)
	}},
	{"register puts devices into groups", func(f *fixture) {
		f.tenants()
		register := func(externalID string, groups ...string) (platform.ID, []platform.ID) {
			cmd := f.registerDevice()
			cmd.Registration.ExternalID, cmd.User.ExternalID = externalID, externalID
			cmd.ExternalIDs = []platform.ExternalID{{Type: platform.SerialType, Value: externalID}}
			cmd.Groups = groups
			for range groups {
				cmd.GroupIDs = append(cmd.GroupIDs, f.newID())
			}
			return got[platform.Registered](f)(f.Register(f.Context(), cmd)).ObjectID, cmd.GroupIDs
		}
		one, groups := register("dev1", "Europe", "Köln")
		two, unused := register("dev2", "Europe", "Köln")
		three, bonn := register("dev3", "Europe", "Bonn")
		top, own := register("dev4", "Köln") // not the one under Europe
		children := func(id platform.ID) []platform.ID {
			l := got[platform.List[platform.ManagedObject]](f)(f.Children(f.Context(), acme, id, platform.ChildAssets, everything))
			return collect(l.Items, func(o platform.ManagedObject) platform.ID { return o.ID })
		}
		equal(f, "Europe", children(groups[0]), []platform.ID{groups[1], bonn[1]})
		equal(f, "Köln", children(groups[1]), []platform.ID{one, two})
		equal(f, "Bonn", children(bonn[1]), []platform.ID{three})
		equal(f, "Köln at the top", children(own[0]), []platform.ID{top})
		for _, id := range unused {
			_, err := f.Object(f.Context(), acme, id)
			f.kind(err, problem.NotFound)
		}
		group := got[platform.ManagedObject](f)(f.Object(f.Context(), acme, groups[1]))
		equal(f, "group", group.Name+string(group.Fragments[platform.FragmentIsDeviceGroup]), "Köln{}")
		got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{
			Registration: registration(), Object: platform.ManagedObject{ID: f.newID()},
			ExternalIDs: []platform.ExternalID{{Type: platform.SerialType, Value: "dev1"}},
			Groups:      []string{"Europe", "Köln"}, GroupIDs: []platform.ID{f.newID(), f.newID()},
		}))
		equal(f, "Köln after registering again", children(groups[1]), []platform.ID{one, two})
		_, err := f.Register(f.Context(), platform.RegisterDevice{Registration: registration(), Groups: []string{"a"}})
		f.kind(err, problem.Invalid)
	}},
	{"a request without an object belongs to the last of its groups", func(f *fixture) {
		f.tenants()
		register := func(externalID string, groups ...string) (platform.ID, []platform.ID) {
			r := registration()
			r.ExternalID = externalID
			cmd := platform.RegisterDevice{Registration: r, Groups: groups}
			for range groups {
				cmd.GroupIDs = append(cmd.GroupIDs, f.newID())
			}
			got[platform.Registered](f)(f.Register(f.Context(), cmd))
			return got[platform.Registration](f)(f.Registration(f.Context(), acme, externalID)).GroupID, cmd.GroupIDs
		}
		one, made := register("dev1", "Europe", "Köln")
		equal(f, "made", one, made[1])
		two, _ := register("dev2", "Europe", "Köln")
		equal(f, "found", two, made[1])
		three, _ := register("dev3", "Europe")
		equal(f, "outer", three, made[0])
		none, _ := register("dev4")
		equal(f, "as it was", none, registration().GroupID)
		inner := got[platform.ManagedObject](f)(f.Object(f.Context(), acme, made[1]))
		equal(f, "created", inner.Created, registration().Created)
	}},
}
