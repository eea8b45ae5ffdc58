package platformtest

import (
	"encoding/json"
	"fmt"
	"sync"

	"mooring/internal/problem"
	"mooring/server/platform"
)

func staged(packet uint16) platform.StagedPublish {
	return platform.StagedPublish{
		StagedKey: platform.StagedKey{Tenant: acme, Device: "dev1", PacketID: packet},
		Topic:     "s/us", Payload: []byte{0, 0xff, 10}, At: day,
	}
}

func (f *fixture) stage(p platform.StagedPublish) {
	f.Helper()
	done := make(chan error, 1)
	f.Stage(p, func(err error) { done <- err })
	f.must(<-done)
}

var stagedChecks = []check{
	{"a staged publish waits for its release", func(f *fixture) {
		f.tenants()
		p, last := staged(1), staged(65535)
		f.stage(p)
		f.stage(last)
		again := p
		again.Payload = []byte("second")
		f.stage(again)
		equal(f, "the first stays", got[platform.StagedPublish](f)(f.Staged(f.Context(), p.StagedKey)), p)
		m := f.measurement(source1, 1)
		f.must(f.submit(platform.Batch{Tenant: acme, Measurements: []platform.Measurement{m}, Release: &p.StagedKey}))
		_, err := f.Staged(f.Context(), p.StagedKey)
		f.kind(err, problem.NotFound)
		got[platform.Measurement](f)(f.Measurement(f.Context(), acme, m.ID))
		equal(f, "the other", got[platform.StagedPublish](f)(f.Staged(f.Context(), last.StagedKey)), last)
		f.must(f.submit(platform.Batch{Tenant: acme, Release: &p.StagedKey})) // released already
	}},
	{"a release fails with its batch", func(f *fixture) {
		f.tenants()
		p, m := staged(1), f.measurement(source1, 1)
		f.stage(p)
		f.must(f.submit(platform.Batch{Tenant: acme, Measurements: []platform.Measurement{m}}))
		f.kind(f.submit(platform.Batch{Tenant: acme, Measurements: []platform.Measurement{m}, Release: &p.StagedKey}), problem.Conflict)
		got[platform.StagedPublish](f)(f.Staged(f.Context(), p.StagedKey))
	}},
	{"what a device staged is dropped", func(f *fixture) {
		f.tenants()
		foreign := staged(1)
		foreign.Device = "dev2"
		f.stage(staged(1))
		f.stage(staged(2))
		f.stage(foreign)
		f.must(f.DropStaged(f.Context(), acme, "dev1"))
		f.must(f.DropStaged(f.Context(), acme, "dev1")) // nothing there is fine
		for _, n := range []uint16{1, 2} {
			_, err := f.Staged(f.Context(), staged(n).StagedKey)
			f.kind(err, problem.NotFound)
		}
		got[platform.StagedPublish](f)(f.Staged(f.Context(), foreign.StagedKey))
	}},
}

var submitChecks = []check{
	{"a batch is stored whole or not at all", func(f *fixture) {
		f.tenants()
		taken := f.measurement(source1, 1)
		f.must(f.submit(platform.Batch{Tenant: acme, Measurements: []platform.Measurement{taken}}))
		m, e, a := f.measurement(source1, 2), f.event(source1, 2), f.alarm(source1, 2)
		f.kind(f.submit(platform.Batch{
			Tenant: acme, Measurements: []platform.Measurement{m, taken}, Events: []platform.Event{e}, Alarms: []platform.Alarm{a},
		}), problem.Conflict)
		e.Type = "nul\x00"
		f.kind(f.submit(platform.Batch{Tenant: acme, Measurements: []platform.Measurement{m}, Events: []platform.Event{e}}), problem.Invalid)
		_, err := f.Measurement(f.Context(), acme, m.ID)
		f.kind(err, problem.NotFound)
		_, err = f.Event(f.Context(), acme, e.ID)
		f.kind(err, problem.NotFound)
		_, err = f.Alarm(f.Context(), acme, a.ID)
		f.kind(err, problem.NotFound)
		f.must(f.submit(platform.Batch{Tenant: acme}))
	}},
	{"raised alarms come before changes", func(f *fixture) {
		f.tenants()
		a := f.alarm(source1, 1)
		f.must(f.submit(platform.Batch{
			Tenant: acme, Alarms: []platform.Alarm{a},
			AlarmChanges: []platform.AlarmChange{{Source: source1, Type: a.Type, At: at(2), Status: platform.Cleared}},
		}))
		equal(f, "status", got[platform.Alarm](f)(f.Alarm(f.Context(), acme, a.ID)).Status, platform.Cleared)
	}},
	{"answers come in the order of submission, good or bad", func(f *fixture) {
		f.tenants()
		const n = 500
		taken := f.measurement(source1, 0)
		f.must(f.submit(platform.Batch{Tenant: acme, Measurements: []platform.Measurement{taken}}))
		var (
			order []string // written by done only, one call at a time
			want  []string
			all   sync.WaitGroup
		)
		for i := range n {
			b := platform.Batch{Tenant: acme, Measurements: []platform.Measurement{f.measurement(source1, i)}}
			wantErr := error(nil)
			if i%7 == 3 {
				b.Measurements[0] = taken
				wantErr = problem.Conflict
			}
			want = append(want, fmt.Sprint(i, problem.KindOf(wantErr)))
			all.Add(1)
			f.Submit(b, func(err error) {
				order = append(order, fmt.Sprint(i, problem.KindOf(err)))
				all.Done()
			})
		}
		all.Wait()
		equal(f, "order", order, want)
	}},
	{"everything answered is there for every reader", func(f *fixture) {
		f.tenants()
		var all sync.WaitGroup
		ids := make(chan platform.ID, 1000)
		for worker := range 4 {
			all.Go(func() {
				for i := range 50 {
					m := f.measurement(source1, worker*50+i)
					done := make(chan error, 1)
					f.Submit(platform.Batch{Tenant: acme, Measurements: []platform.Measurement{m}}, func(err error) { done <- err })
					if err := <-done; err != nil {
						f.Error(err)
						return
					}
					if _, err := f.Measurement(f.Context(), acme, m.ID); err != nil {
						f.Error(err)
					}
					ids <- m.ID
				}
			})
		}
		all.Wait()
		equal(f, "stored", len(ids), 200)
		l := got[platform.List[platform.Measurement]](f)(f.Measurements(f.Context(), acme, platform.TelemetryFilter{}, platform.Page{Number: 1, Size: 1, WithTotal: true}))
		equal(f, "total", l.Total, 200)
	}},
	{"bodies of every size", func(f *fixture) {
		f.tenants()
		for _, size := range []int{0, 1, 4095, 4096, 4097, 65535, 65536, 1 << 20} {
			m := f.measurement(source1, 1)
			m.Body = nil
			if size > 0 {
				m.Body = json.RawMessage(make([]byte, size))
				m.Body[size-1] = 1
			}
			f.must(f.submit(platform.Batch{Tenant: acme, Measurements: []platform.Measurement{m}}))
			equal(f, fmt.Sprint("body of ", size), got[platform.Measurement](f)(f.Measurement(f.Context(), acme, m.ID)), m)
		}
	}},
}
