package platform

import (
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

	SourceName string // of the object, for who shows it; not stored
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

	SourceName string // of the object, for who shows it; not stored
}

// FragmentActiveAlarms of an object counts its alarms that are not cleared, by
// severity. Only the server writes it.
const FragmentActiveAlarms = "c8y_ActiveAlarmsStatus"

// AlarmUpdate changes the parts of one alarm that are set, in one command: what
// others do to it meanwhile stays. Fragments are replaced one by one as a whole.
type AlarmUpdate struct {
	ID       ID
	At       time.Time
	By       string // user, for the audit log; empty: the server
	Text     *string
	Severity Severity    // empty: unchanged
	Status   AlarmStatus // empty: unchanged
	Set      Fragments
	Remove   []string
	// Committed is EventUpdate.Committed for an alarm.
	Committed func(Alarm)
}

// AlarmUpsert updates the alarm of (Alarm.Source, Alarm.Type) that is not
// cleared by Update, whose ID counts for nothing, or adds Alarm if there is none.
type AlarmUpsert struct {
	Alarm     Alarm
	Update    AlarmUpdate
	Increment bool // the count of the alarm that is there goes up
	// Committed is EventUpdate.Committed, and found tells whether there was an alarm
	// before; Update.Committed is not called.
	Committed func(after Alarm, found bool)
}

// EventUpdate changes the parts of an event that are set, in one command.
type EventUpdate struct {
	ID     ID
	At     time.Time
	Text   *string
	Set    Fragments
	Remove []string
	// Committed, if set, is called with the event as it is then: from the committer,
	// in the order of commits and before the caller is answered. It must not block.
	Committed func(Event)
}

// AlarmChange changes the one alarm of (Source, Type) that is not cleared:
// the active one first, then the acknowledged one. No such alarm: nothing.
type AlarmChange struct {
	Source   ID
	Type     string
	At       time.Time
	Text     *string
	Severity Severity    // empty: unchanged
	Status   AlarmStatus // empty: unchanged
	Set      Fragments
	Remove   []string // fragments
}

// EventChange removes fragments of the newest event of (Source, Type). No such
// event: nothing.
type EventChange struct {
	Source ID
	Type   string
	At     time.Time
	Remove []string
}

// Batch is what one request or one publish brings; it is stored whole or not
// at all. Within it measurements come first, then events, then event changes, then
// alarms raised, then alarm changes.
type Batch struct {
	Tenant       TenantID
	Mode         ProcessingMode // for server/telemetry; a store keeps what it is given
	By           string         // user, for the audit rows of alarms; empty: the server
	Measurements []Measurement
	Events       []Event
	EventChanges []EventChange
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
	// ChangedEvents are those of Batch.EventChanges, in that order, as they are
	// stored now. A change that found no event has none.
	ChangedEvents []Event
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
	Topic   string // with what the front end adds to it
	Payload []byte
	At      time.Time
}
