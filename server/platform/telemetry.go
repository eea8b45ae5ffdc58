package platform

import (
	"context"
	"encoding/json"
	"time"
)

// Measurement is a set of values at one time.
type Measurement struct {
	ID     ID
	Source ID // managed object
	Type   string
	Time   time.Time
	// Body is one JSON object with the fragments:
	// {"c8y_Temperature":{"T":{"value":25,"unit":"C"}}}. Numbers stay as sent.
	Body json.RawMessage
}

// Event is something that happened.
type Event struct {
	ID      ID
	Source  ID
	Type    string
	Text    string
	Time    time.Time
	Created time.Time
	Updated time.Time
	Body    json.RawMessage // JSON object with further fragments; nil: none
}

// Severity of an alarm.
type Severity string

// The severities.
const (
	Critical Severity = "CRITICAL"
	Major    Severity = "MAJOR"
	Minor    Severity = "MINOR"
	Warning  Severity = "WARNING"
)

// AlarmStatus is the state of an alarm.
type AlarmStatus string

// The states.
const (
	Active       AlarmStatus = "ACTIVE"
	Acknowledged AlarmStatus = "ACKNOWLEDGED"
	Cleared      AlarmStatus = "CLEARED"
)

// Alarm is a condition that lasts until it is cleared. There is at most one
// alarm that is not cleared for each (source, type).
type Alarm struct {
	ID              ID
	Source          ID
	Type            string
	Text            string
	Severity        Severity
	Status          AlarmStatus
	Time            time.Time
	FirstOccurrence time.Time // zero while Count is 1
	Count           int64
	Created         time.Time
	Updated         time.Time
	Body            json.RawMessage
}

// AlarmChange changes the one alarm of (Source, Type) that is not cleared:
// the active one first, then the acknowledged one. No such alarm: nothing.
type AlarmChange struct {
	Source   ID
	Type     string
	At       time.Time
	Severity Severity    // empty: unchanged
	Status   AlarmStatus // empty: unchanged
	Remove   []string    // fragments
}

// Batch is what one request or one publish brings; it is stored whole or not
// at all. Within it measurements come first, then events, then alarms raised,
// then alarm changes.
type Batch struct {
	Tenant       TenantID
	Mode         ProcessingMode // for server/telemetry; a store keeps what it is given
	Measurements []Measurement
	Events       []Event
	// Alarms are raised: if one of (source, type) is not cleared, its count goes
	// up and text, time, severity and body are taken over (rest.md §6.6).
	Alarms       []Alarm
	AlarmChanges []AlarmChange
	// Release deletes a staged QoS 2 publish in the same transaction.
	Release *StagedKey
	// Outcome, if set, is filled by the store before done is called.
	Outcome *Outcome
}

// Outcome is what became of a batch.
type Outcome struct {
	// Alarms are those of Batch.Alarms and Batch.AlarmChanges, in that order, as
	// they are stored now. A change that found no alarm has none.
	Alarms []Alarm
}

// StagedKey names a QoS 2 publish between PUBLISH and PUBREL.
type StagedKey struct {
	Tenant   TenantID
	Device   string
	PacketID uint16
}

// StagedPublish is a QoS 2 publish that waits for its PUBREL.
type StagedPublish struct {
	StagedKey
	Topic   string
	Payload []byte
	At      time.Time
}

// TelemetryFilter selects measurements, events or alarms. Zero fields select all.
type TelemetryFilter struct {
	Source   ID
	Type     string
	Fragment string    // valueFragmentType or fragmentType
	Series   string    // with Fragment: valueFragmentSeries
	From     time.Time // inclusive
	To       time.Time // exclusive
	// CreatedFrom and CreatedTo, UpdatedFrom and UpdatedTo: events and alarms only.
	CreatedFrom, CreatedTo time.Time
	UpdatedFrom, UpdatedTo time.Time
	Statuses               []AlarmStatus
	Severities             []Severity
	// NewestFirst orders by time descending, else ascending; ties by ID the same way.
	NewestFirst bool
}

// Telemetry keeps measurements, events and alarms.
type Telemetry interface {
	// Submit queues a batch and returns. done is called exactly once, from the
	// committer and in the order of Submit for one tenant and device, after the
	// batch is durable or has failed; it must not block. A full queue calls done
	// with a problem of kind Unavailable.
	Submit(b Batch, done func(error))

	Measurement(ctx context.Context, tenant TenantID, id ID) (Measurement, error)
	Measurements(ctx context.Context, tenant TenantID, f TelemetryFilter, page Page) (List[Measurement], error)
	DeleteMeasurement(ctx context.Context, tenant TenantID, id ID) error
	Event(ctx context.Context, tenant TenantID, id ID) (Event, error)
	Events(ctx context.Context, tenant TenantID, f TelemetryFilter, page Page) (List[Event], error)
	UpdateEvent(ctx context.Context, tenant TenantID, e Event) error
	DeleteEvent(ctx context.Context, tenant TenantID, id ID) error
	Alarm(ctx context.Context, tenant TenantID, id ID) (Alarm, error)
	Alarms(ctx context.Context, tenant TenantID, f TelemetryFilter, page Page) (List[Alarm], error)
	UpdateAlarm(ctx context.Context, tenant TenantID, a Alarm) error
	// OpenAlarm is the alarm of (source, type) that is not cleared.
	OpenAlarm(ctx context.Context, tenant TenantID, source ID, alarmType string) (Alarm, error)
	CountAlarms(ctx context.Context, tenant TenantID, f TelemetryFilter) (int64, error)

	// Stage keeps a QoS 2 publish until Batch.Release; staging the same key again
	// keeps the first and is no error. done as for Submit.
	Stage(p StagedPublish, done func(error))
	Staged(ctx context.Context, key StagedKey) (StagedPublish, error)
	// DropStaged forgets what a device staged: its session ended for good.
	DropStaged(ctx context.Context, tenant TenantID, device string) error
}
