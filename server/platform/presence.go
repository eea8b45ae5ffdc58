package platform

import (
	"context"
	"encoding/json"
	"time"
)

// Fragments that the server keeps about the presence of a device, and the alarm
// on one that is missed (vendor's documents, device availability).
const (
	FragmentAvailability = "c8y_Availability"
	FragmentConnection   = "c8y_Connection"
	UnavailabilityAlarm  = "c8y_UnavailabilityAlarm"
)

// DataStatus is the status of c8y_Availability: whether data comes in time.
type DataStatus string

// The data statuses.
const (
	Available   DataStatus = "AVAILABLE"
	Unavailable DataStatus = "UNAVAILABLE"
	InService   DataStatus = "MAINTENANCE"
)

// ConnectionStatus is the status of c8y_Connection: whether operations can reach
// the device.
type ConnectionStatus string

// The connection statuses.
const (
	Connected           ConnectionStatus = "CONNECTED"
	Disconnected        ConnectionStatus = "DISCONNECTED"
	ConnectionInService ConnectionStatus = "MAINTENANCE"
)

// PresenceTime is how c8y_Availability.lastMessage is written.
const PresenceTime = "2006-01-02T15:04:05.000Z"

// Presence is what is known of a device's presence. The zero value is a device of
// which nothing is known.
type Presence struct {
	LastMessage time.Time // zero: never heard
	// Monitored says that the device has c8y_RequiredAvailability; Interval is
	// within which it promises to be heard, zero or less: it is in maintenance.
	Monitored  bool
	Interval   time.Duration
	Data       DataStatus       // empty: not known
	Connection ConnectionStatus // empty: not known
}

// PresenceReport is news of one device.
type PresenceReport struct {
	Object    ID
	Heard     time.Time // zero: nothing was heard
	Connected *bool     // nil: not known
	// Missed says that a monitored device that was never heard has had its time.
	Missed bool
}

// PresenceChange is what came of a report.
type PresenceChange struct {
	Object   ID
	Was, Is  Presence
	NoDevice bool // there is no such object, or it is no device: nothing is kept of it
}

// presenceFragments are those that presence is read from.
var presenceFragments = []string{FragmentIsDevice, FragmentRequiredAvailability, FragmentAvailability, FragmentConnection}

// PresenceFragments names the fragments that ReadPresence looks at.
func PresenceFragments() []string { return presenceFragments }

// ReadPresence reads what the fragments of an object say. ok is false if it is no
// device: neither marked as one nor asked to be available.
func ReadPresence(f Fragments) (p Presence, ok bool) {
	_, isDevice := f[FragmentIsDevice]
	required, monitored := f[FragmentRequiredAvailability]
	var r struct {
		ResponseInterval *json.Number `json:"responseInterval"`
	}
	if monitored && json.Unmarshal(required, &r) == nil && r.ResponseInterval != nil {
		if minutes, err := r.ResponseInterval.Float64(); err == nil {
			p.Monitored, p.Interval = true, interval(minutes)
		}
	}
	var a struct {
		LastMessage string     `json:"lastMessage"`
		Status      DataStatus `json:"status"`
	}
	if json.Unmarshal(f[FragmentAvailability], &a) == nil {
		p.LastMessage, _ = time.Parse(time.RFC3339, a.LastMessage)
		p.Data = a.Status
	}
	var c struct {
		Status ConnectionStatus `json:"status"`
	}
	if json.Unmarshal(f[FragmentConnection], &c) == nil {
		p.Connection = c.Status
	}
	return p, isDevice || monitored
}

// maxInterval bounds the minutes of a response interval; ours, a century.
const maxInterval = 100 * 365 * 24 * 60

func interval(minutes float64) time.Duration {
	return time.Duration(min(max(minutes, 0), maxInterval) * float64(time.Minute))
}

// Next is the presence after a report at now.
func (p Presence) Next(r PresenceReport, now time.Time) Presence {
	if heard := Millis(r.Heard); !r.Heard.IsZero() && heard.After(p.LastMessage) {
		p.LastMessage = heard
	}
	if r.Connected != nil {
		p.Connection = Disconnected
		if *r.Connected {
			p.Connection = Connected
		}
	}
	switch {
	case p.Monitored && p.Interval <= 0:
		p.Data, p.Connection = InService, ConnectionInService
	case p.LastMessage.IsZero():
		if p.Data = ""; p.Monitored && r.Missed {
			p.Data = Unavailable
		}
	case p.Monitored && !now.Before(p.LastMessage.Add(p.Interval)):
		p.Data = Unavailable
	default:
		p.Data = Available
	}
	if p.Connection == ConnectionInService && p.Data != InService {
		p.Connection = Disconnected // until it is heard of
	}
	if p.Monitored && p.Connection == "" {
		p.Connection = Disconnected
	}
	return p
}

// Overdue is when a monitored device is missed if it is not heard before; ok is
// false if it never is: it is not monitored, in maintenance, or missed already. A
// device that was never heard has its time from since on.
func (p Presence) Overdue(since time.Time) (at time.Time, ok bool) {
	if !p.Monitored || p.Interval <= 0 || p.Data == Unavailable {
		return time.Time{}, false
	}
	if !p.LastMessage.IsZero() {
		since = p.LastMessage
	}
	return since.Add(p.Interval), true
}

// Fragments are the fragments that tell of p; absent where nothing is known.
func (p Presence) Fragments() Fragments {
	f := Fragments{}
	if p.Data != "" {
		a := map[string]string{"status": string(p.Data)}
		if !p.LastMessage.IsZero() {
			a["lastMessage"] = p.LastMessage.Format(PresenceTime)
		}
		f[FragmentAvailability], _ = json.Marshal(a) // texts marshal
	}
	if p.Connection != "" {
		f[FragmentConnection], _ = json.Marshal(map[string]string{"status": string(p.Connection)})
	}
	return f
}

// Presences keeps the presence of devices in two fragments of their objects.
type Presences interface {
	// ReportPresence applies Presence.Next to each object and keeps the result;
	// the time of the objects' last change stays. Change: ChangeObject where a
	// status is another, not where only the time of the last message is.
	ReportPresence(ctx context.Context, tenant TenantID, reports []PresenceReport, now time.Time) ([]PresenceChange, error)
	// DisconnectAll makes every device of all tenants that is noted as connected
	// disconnected: a server that is alone on its store starts without sessions.
	DisconnectAll(ctx context.Context) error
}
