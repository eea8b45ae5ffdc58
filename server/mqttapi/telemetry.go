package mqttapi

import (
	"encoding/json"
	"sync/atomic"

	"mooring/internal/deviceid"
	"mooring/internal/smartrest"
	"mooring/server/platform"
	"mooring/server/telemetry"
)

// batches are the telemetry of one publish. A batch applies what is new before what
// changes; where the lines have it the other way round a new one begins.
type batches struct {
	list []platform.Batch
}

// current returns the batch that takes the next element.
func (b *batches) current() *platform.Batch {
	if len(b.list) == 0 {
		b.list = append(b.list, platform.Batch{})
	}
	return &b.list[len(b.list)-1]
}

// beforeEventChanges returns a batch without event changes.
func (b *batches) beforeEventChanges() *platform.Batch {
	if c := b.current(); len(c.EventChanges) == 0 {
		return c
	}
	b.list = append(b.list, platform.Batch{})
	return b.current()
}

// beforeChanges returns a batch without alarm changes.
func (b *batches) beforeChanges() *platform.Batch {
	if c := b.current(); len(c.AlarmChanges) == 0 {
		return c
	}
	b.list = append(b.list, platform.Batch{})
	return b.current()
}

// submit hands the batches to the store; complete is called when all of them are
// durable or one has failed. release goes with the last.
func (b *batches) submit(s *session, mode platform.ProcessingMode, release *platform.StagedKey, complete func(error)) {
	if release != nil {
		b.current().Release = release
	}
	if len(b.list) == 0 {
		complete(nil)
		return
	}
	if len(b.list) > 1 {
		complete = last(len(b.list), complete)
	}
	for i := range b.list {
		b.list[i].Tenant, b.list[i].By, b.list[i].Mode = s.place.tenant, s.principal.User, mode
		s.server.cfg.Telemetry.Submit(b.list[i], func(err error) { s.stored(err, complete) })
	}
}

// stored reports a batch that the store refuses for good, and passes on one that
// it could not store now.
func (s *session) stored(err error, complete func(error)) {
	if err != nil {
		if e, retry := answerTo("", err); !retry {
			s.report(e)
			err = nil
		}
	}
	complete(err)
}

// last returns a function that calls complete at its n-th call, with the first
// error of all.
func last(n int, complete func(error)) func(error) {
	var left atomic.Int64
	var failed atomic.Pointer[error]
	left.Store(int64(n))
	return func(err error) {
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
		if left.Add(-1) > 0 {
			return
		}
		if e := failed.Load(); e != nil {
			complete(*e)
			return
		}
		complete(nil)
	}
}

// forEngine says whether measurements and events are for the event engine alone,
// which there is none of (mqtt.md §2.1).
func (p *publish) forEngine() bool { return p.mode == deviceid.CEP }

// processing is what becomes of the telemetry of a publish. Of the modes alarms
// know only t (mqtt.md §11, 14), so what is left of a c publish is stored.
func (p *publish) processing() platform.ProcessingMode {
	switch p.mode {
	case deviceid.Transient:
		return platform.ModeTransient
	case deviceid.Quiescent:
		return platform.ModeQuiescent
	}
	return platform.ModePersistent
}

// telemetry carries out measurements, alarms and events.
func (p *publish) telemetry(r smartrest.Record) (handled bool, err error) {
	switch r.(type) {
	case smartrest.Measurement, smartrest.Event, smartrest.Alarm,
		smartrest.AlarmSeverity, smartrest.ClearAlarm, smartrest.RemoveAlarmFragments, smartrest.RemoveEventFragments:
	default:
		return false, nil
	}
	source, err := p.object()
	if err != nil {
		return true, err
	}
	switch r := r.(type) {
	case smartrest.Measurement:
		return true, p.measurement(source, r)
	case smartrest.Event:
		return true, p.event(source, r)
	case smartrest.Alarm:
		return true, p.alarm(source, r)
	case smartrest.AlarmSeverity:
		p.change(platform.AlarmChange{Source: source, Type: r.Type, Severity: platform.Severity(r.Severity)})
	case smartrest.ClearAlarm:
		p.change(platform.AlarmChange{Source: source, Type: r.Type, Status: platform.Cleared})
	case smartrest.RemoveEventFragments:
		if p.mode != deviceid.Transient && len(r.Fragments) > 0 {
			b := p.batch.current()
			b.EventChanges = append(b.EventChanges, platform.EventChange{Source: source, Type: r.Type, At: platform.Millis(p.now), Remove: r.Fragments})
		}
	case smartrest.RemoveAlarmFragments:
		p.change(platform.AlarmChange{Source: source, Type: r.Type, Remove: r.Fragments})
	}
	return true, nil
}

func (p *publish) measurement(source platform.ID, r smartrest.Measurement) error {
	body, err := measurementJSON(r)
	if err != nil {
		return err
	}
	if err := telemetry.Check(r.Type, "", body); err != nil || p.forEngine() {
		return err
	}
	id, err := p.server.cfg.Telemetry.NewID(p.quick())
	if err != nil {
		return err
	}
	b := p.batch.current()
	b.Measurements = append(b.Measurements, platform.Measurement{
		ID: id, Source: source, Type: r.Type, Time: platform.Millis(r.Time), Body: body,
	})
	return nil
}

func (p *publish) event(source platform.ID, r smartrest.Event) error {
	var body json.RawMessage
	if r.Position != nil {
		position := one(fragmentPosition, positionJSON(*r.Position))
		if r.UpdateDevice {
			if err := p.update(platform.UpdateObject{Set: position}); err != nil {
				return err
			}
		}
		body, _ = json.Marshal(position) // valid JSON always marshals
	}
	if err := telemetry.Check(r.Type, r.Text, body); err != nil || p.forEngine() {
		return err
	}
	id, err := p.server.cfg.Telemetry.NewID(p.quick())
	if err != nil {
		return err
	}
	now := platform.Millis(p.now)
	b := p.batch.beforeEventChanges()
	b.Events = append(b.Events, platform.Event{
		ID: id, Source: source, Type: r.Type, Text: r.Text, Time: platform.Millis(r.Time), Created: now, Updated: now, Body: body,
	})
	return nil
}

// alarm raises an alarm.
func (p *publish) alarm(source platform.ID, r smartrest.Alarm) error {
	if err := telemetry.Check(r.Type, r.Text, nil); err != nil {
		return err
	}
	id, err := p.server.cfg.Telemetry.NewID(p.quick())
	if err != nil {
		return err
	}
	now := platform.Millis(p.now)
	b := p.batch.beforeChanges()
	b.Alarms = append(b.Alarms, platform.Alarm{
		ID: id, Source: source, Type: r.Type, Text: r.Text, Severity: platform.Severity(r.Severity), Status: platform.Active,
		Time: platform.Millis(r.Time), Count: 1, Created: now, Updated: now,
	})
	return nil
}

func (p *publish) change(c platform.AlarmChange) {
	if p.mode == deviceid.Transient {
		return
	}
	c.At = platform.Millis(p.now)
	b := p.batch.current()
	b.AlarmChanges = append(b.AlarmChanges, c)
}
