package platformtest

import (
	"encoding/json"
	"fmt"
	"sync"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// race runs n goroutines at once and counts how each ended.
func (f *fixture) race(n int, run func(i int) error) map[problem.Kind]int {
	var (
		ended sync.WaitGroup
		start = make(chan struct{})
		mu    sync.Mutex
		kinds = map[problem.Kind]int{}
	)
	for i := range n {
		ended.Go(func() {
			<-start
			err := run(i)
			mu.Lock()
			defer mu.Unlock()
			kinds[problem.KindOf(err)]++
			if problem.KindOf(err) == problem.Internal {
				f.Error(err)
			}
		})
	}
	close(start)
	ended.Wait()
	return kinds
}

const racers = 8

var concurrencyChecks = []check{
	{"of many who spend one OTP, one wins", func(f *fixture) {
		f.tenants()
		for round := range 10 {
			got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: registration()}))
			kinds := f.race(racers, func(i int) error {
				return f.Issue(f.Context(), platform.Issue{Certificate: leaf(fmt.Sprint(round, "-", i)), Enrolment: enrolment(int64(round + 1))}, audit("issued"))
			})
			equal(f, "outcomes", kinds, map[problem.Kind]int{"": 1, problem.Conflict: racers - 1})
			r := got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1"))
			l := got[platform.List[platform.IssuedCertificate]](f)(f.IssuedCertificates(f.Context(), acme, "dev1", everything))
			equal(f, "issued", len(l.Items), round+1)
			won := false
			for _, c := range l.Items {
				won = won || c.Serial == r.OTPSpent.Serial
			}
			equal(f, "the winner's certificate is the issued one", won, true)
			equal(f, "audit", len(f.audits()), round+1)
		}
	}},
	{"of many who create one thing, one wins", func(f *fixture) {
		f.tenants()
		one := map[problem.Kind]int{"": 1, problem.Conflict: racers - 1}
		equal(f, "device user", f.race(racers, func(int) error { return f.CreateDeviceUser(f.Context(), deviceUser("dev1")) }), one)
		equal(f, "issuer", f.race(racers, func(i int) error {
			iss, k, c := issuer(fmt.Sprint("k", i), fmt.Sprint("f", i))
			return f.CreateIssuer(f.Context(), iss, k, c)
		}), one)
		equal(f, "trusted certificate", f.race(racers, func(int) error {
			return f.AddTrustedCertificates(f.Context(), []platform.TrustedCertificate{trusted("aa")})
		}), one)
		equal(f, "external ID", f.race(racers, func(int) error {
			o := platform.ManagedObject{ID: f.newID()}
			xid := []platform.ExternalID{{Type: "t", Value: "v"}}
			return f.CreateObject(f.Context(), acme, platform.CreateObject{Object: o, ExternalIDs: xid})
		}), one)
		equal(f, "provisioned", f.race(racers, func(int) error {
			recorded, err := f.RecordProvisioned(f.Context(), acme, "dev1", provisioned("aa", 1))
			if err == nil && !recorded {
				return problem.Conflict
			}
			return err
		}), one)
	}},
	{"many registrations of one device leave one of everything", func(f *fixture) {
		f.tenants()
		cmds := make([]platform.RegisterDevice, racers)
		for i := range cmds {
			cmds[i] = f.registerDevice()
			cmds[i].Groups, cmds[i].GroupIDs = []string{"a", "b"}, []platform.ID{f.newID(), f.newID()}
		}
		kinds := f.race(racers, func(i int) error {
			_, err := f.Register(f.Context(), cmds[i])
			return err
		})
		equal(f, "outcomes", kinds, map[problem.Kind]int{"": racers})
		l := got[platform.List[platform.ManagedObject]](f)(f.Objects(f.Context(), acme, platform.ObjectFilter{}, everything))
		names := map[string]int{}
		for _, o := range l.Items {
			names[o.Name]++
		}
		equal(f, "objects", names, map[string]int{"Device 1": 1, "a": 1, "b": 1})
		equal(f, "epoch", got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1")).Epoch, racers)
	}},
	{"many devices into one new group", func(f *fixture) {
		f.tenants()
		cmds := make([]platform.RegisterDevice, racers)
		for i := range cmds {
			id := fmt.Sprint("dev", i)
			r := registration()
			r.ExternalID = id
			cmds[i] = platform.RegisterDevice{
				Registration: r, Object: platform.ManagedObject{ID: f.newID(), Name: id},
				ExternalIDs: []platform.ExternalID{{Type: platform.SerialType, Value: id}},
				Groups:      []string{"a", "b"}, GroupIDs: []platform.ID{f.newID(), f.newID()},
			}
		}
		equal(f, "outcomes", f.race(racers, func(i int) error {
			_, err := f.Register(f.Context(), cmds[i])
			return err
		}), map[problem.Kind]int{"": racers})
		l := got[platform.List[platform.ManagedObject]](f)(f.Objects(f.Context(), acme, platform.ObjectFilter{FragmentType: platform.FragmentIsDeviceGroup}, everything))
		equal(f, "groups", len(l.Items), 2)
	}},
	{"newest five under concurrency", func(f *fixture) {
		f.tenants()
		f.must(f.CreateDeviceUser(f.Context(), deviceUser("dev1")))
		f.race(3*racers, func(i int) error {
			_, err := f.RecordProvisioned(f.Context(), acme, "dev1", provisioned(fmt.Sprint("s", i), i))
			return err
		})
		u := got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev1"))
		equal(f, "serials", collect(u.Provisioned, func(c platform.ProvisionedCertificate) string { return c.Serial }),
			[]string{"s23", "s22", "s21", "s20", "s19"})
	}},
	{"updates of one object lose nothing", func(f *fixture) {
		f.tenants()
		id := f.create("dev1")
		equal(f, "outcomes", f.race(racers, func(i int) error {
			_, err := f.UpdateObject(f.Context(), acme, platform.UpdateObject{ID: id, At: at(i), Set: platform.Fragments{fmt.Sprint("f", i): json.RawMessage("1")}})
			return err
		}), map[problem.Kind]int{"": racers})
		equal(f, "fragments", len(got[platform.ManagedObject](f)(f.Object(f.Context(), acme, id)).Fragments), racers)
	}},
	{"IDs are unique among many", func(f *fixture) {
		var mu sync.Mutex
		seen := map[platform.ID]bool{}
		f.race(racers, func(int) error {
			for range 400 {
				id, err := f.NewID(f.Context())
				if err != nil {
					return err
				}
				mu.Lock()
				if seen[id] {
					f.Errorf("ID %d came twice", id)
				}
				seen[id] = true
				mu.Unlock()
			}
			return nil
		})
		equal(f, "IDs", len(seen), racers*400)
	}},
	{"a reader of the change log misses nothing", func(f *fixture) {
		f.tenants()
		start := got[int64](f)(f.LastChange(f.Context()))
		const writes = 30
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			f.race(racers, func(i int) error {
				for n := range writes {
					err := f.PutUser(f.Context(), platform.User{Tenant: acme, Name: fmt.Sprint(i, "-", n)})
					if err != nil {
						return err
					}
				}
				return nil
			})
		}()
		seen := map[string]bool{}
		for after, over := start, false; ; {
			select {
			case <-finished:
				over = true
			default:
			}
			list := got[[]platform.Change](f)(f.ChangesAfter(f.Context(), after, 7))
			for _, c := range list {
				after = c.Number
				seen[c.Key] = true
			}
			if over && len(list) == 0 {
				break
			}
		}
		equal(f, "seen", len(seen), racers*writes)
	}},
}
