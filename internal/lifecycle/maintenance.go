package lifecycle

import "time"

// MaxMaintenance is how many maintenance windows a policy has.
const MaxMaintenance = 4

// MaintenanceWindow is a time of day on some days of the week, in UTC. The zero
// value is none.
type MaintenanceWindow struct {
	Days   uint8  // bit n is day n of the week, Sunday is 0
	Start  uint16 // minutes after midnight, at most 1,439
	Length uint16 // minutes, 1 to 1,440; it may end on the day after
}

const (
	day           = 24 * time.Hour
	minutesADay   = 24 * 60
	firstWeekday  = 4 // 1 January 1970 was a Thursday
	openingSalt   = 1 << 32
	allDaysOfWeek = 1<<7 - 1
)

// Valid reports whether w is a window or none.
func (w MaintenanceWindow) Valid() bool {
	return w == MaintenanceWindow{} ||
		w.Days != 0 && w.Days <= allDaysOfWeek && w.Start < minutesADay && w.Length > 0 && w.Length <= minutesADay
}

func (w MaintenanceWindow) length() time.Duration { return time.Duration(w.Length) * time.Minute }

// opening is the first instant from at on that lies in a maintenance window; at
// if there are none. Devices begin at different points of a window's first half.
func (p Policy) opening(at Instant, seed uint64) Instant {
	if p.Maintenance == ([MaxMaintenance]MaintenanceWindow{}) {
		return at
	}
	first, found := Instant(0), false
	today := at / Instant(day.Milliseconds())
	for n := today - 1; n <= today+8; n++ {
		for i, w := range p.Maintenance {
			if w.Length == 0 || w.Days>>((n+firstWeekday)%7)&1 == 0 {
				continue
			}
			begin := (n * Instant(day.Milliseconds())).add(time.Duration(w.Start) * time.Minute)
			own := begin.add(spread(seed, openingSalt+uint64(i), w.length()/2))
			if t := max(own, at); t < begin.add(w.length()) && (!found || t < first) {
				first, found = t, true
			}
		}
	}
	if !found {
		return at
	}
	return first
}

// maintained moves a renewal of l into a maintenance window, unless the next
// opens when a twentieth of the life or less is left.
func (p Policy) maintained(at Instant, l Leaf, seed uint64) Instant {
	if open := p.opening(at, seed); open <= l.urgentAt() {
		return open
	}
	return at
}

// MaintenanceFits reports whether a maintenance window opens between the time
// when the current certificate is due and the time when that is urgent. If none
// does, the certificate is renewed when it is due.
func (s State) MaintenanceFits() bool {
	return s.Policy.opening(s.dueAt(), s.Seed) <= max(s.dueAt(), s.Current.Leaf.urgentAt())
}
