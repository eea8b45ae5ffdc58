package telemetry

import (
	"time"

	"mooring/server/platform"
)

// Live hears of signs of life. Heard neither blocks nor fails.
type Live interface {
	Heard(tenant platform.TenantID, id platform.ID, at time.Time)
}

// heard tells of the devices of a batch: who sends a measurement, an event or an
// alarm is alive (vendor's documents, device availability). The alarm that says the
// contrary is none of theirs. Who calls Submit itself tells of it itself.
func (s *Service) heard(b *platform.Batch) {
	if s.live == nil || len(b.Measurements)+len(b.Events)+len(b.Alarms) == 0 {
		return
	}
	now, last := s.now(), platform.ID(0)
	tell := func(source platform.ID) {
		if source != last {
			s.live.Heard(b.Tenant, source, now)
		}
		last = source
	}
	for i := range b.Measurements {
		tell(b.Measurements[i].Source)
	}
	for i := range b.Events {
		tell(b.Events[i].Source)
	}
	for i := range b.Alarms {
		if b.Alarms[i].Type != platform.UnavailabilityAlarm {
			tell(b.Alarms[i].Source)
		}
	}
}
