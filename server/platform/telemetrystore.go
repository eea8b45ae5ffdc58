package platform

import (
	"context"
	"time"
)

// TelemetryFilter selects measurements, events or alarms. Zero fields select all.
type TelemetryFilter struct {
	Source   ID
	Sources  []ID // one of them; at most MaxSources; Source counts besides
	Type     string
	Types    []string // one of them; Type counts besides
	Fragment string   // valueFragmentType or fragmentType
	Series   string   // with Fragment: valueFragmentSeries
	// FragmentValue is the text that Fragment must have; empty: any value.
	FragmentValue string
	From, To      time.Time // from inclusive, to exclusive, as all pairs here
	// CreatedFrom and CreatedTo, UpdatedFrom and UpdatedTo: events and alarms only.
	CreatedFrom, CreatedTo time.Time
	UpdatedFrom, UpdatedTo time.Time
	Statuses               []AlarmStatus
	Severities             []Severity
	// NewestFirst orders by time descending, else ascending; ties by type where one
	// source is asked for, then by ID, the same way.
	NewestFirst bool
	// After begins behind an element that was listed before, in the same order.
	After *Cursor
}

// Cursor is a place in a list.
type Cursor struct {
	Time time.Time
	Type string // counts where one source is asked for
	ID   ID
}

// MaxSources bounds TelemetryFilter.Sources.
const MaxSources = 2000

// SeriesName names a series of a source: the members of a measurement that have
// a number as "value".
type SeriesName struct {
	Type     string // of the measurements that have it
	Fragment string
	Series   string
}

// MaxSeries bounds the series that are remembered of one source. A device has
// tens; measurements are kept whatever they name.
const MaxSeries = 1000

// TelemetryKind is one of the three.
type TelemetryKind string

// The kinds, by what retention rules call them.
const (
	Measurements TelemetryKind = "MEASUREMENT"
	Events       TelemetryKind = "EVENT"
	Alarms       TelemetryKind = "ALARM"
)

// MaxDeleted bounds what one command deletes, so that it holds up nobody for
// longer than a few milliseconds (design §3a).
const MaxDeleted = 500

// TelemetryPage is a part of what TelemetryIDs lists; it may be empty and not
// the last.
type TelemetryPage struct {
	IDs  []ID
	Next *Cursor // TelemetryFilter.After of the next part; nil: there is none
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
	// UpdateEvent returns the event as it is then.
	UpdateEvent(ctx context.Context, tenant TenantID, u EventUpdate) (Event, error)
	DeleteEvent(ctx context.Context, tenant TenantID, id ID) error
	Alarm(ctx context.Context, tenant TenantID, id ID) (Alarm, error)
	Alarms(ctx context.Context, tenant TenantID, f TelemetryFilter, page Page) (List[Alarm], error)
	// UpdateAlarm returns the alarm as it was and as it is then. Conflict if it
	// would be a second one that is not cleared. A change of status, severity or
	// text leaves an audit row.
	UpdateAlarm(ctx context.Context, tenant TenantID, u AlarmUpdate) (before, after Alarm, err error)
	// UpsertAlarm is atomic; found tells whether there was an alarm before.
	UpsertAlarm(ctx context.Context, tenant TenantID, u AlarmUpsert) (before, after Alarm, found bool, err error)
	// SetAlarmStatus changes those of ids, at most MaxDeleted, that have another
	// status, and returns them as they are then. One that would be a second alarm
	// that is not cleared stays as it is. committed is as EventUpdate.Committed.
	SetAlarmStatus(ctx context.Context, tenant TenantID, ids []ID, status AlarmStatus, at time.Time, by string, committed func([]Alarm)) ([]Alarm, error)
	// OpenAlarm is the alarm of (source, type) that is not cleared.
	OpenAlarm(ctx context.Context, tenant TenantID, source ID, alarmType string) (Alarm, error)
	CountAlarms(ctx context.Context, tenant TenantID, f TelemetryFilter) (int64, error)

	// TelemetryIDs lists what f selects, at most MaxDeleted at once.
	TelemetryIDs(ctx context.Context, tenant TenantID, kind TelemetryKind, f TelemetryFilter) (TelemetryPage, error)
	// DeleteTelemetry removes those of ids, at most MaxDeleted, that are there, and
	// tells how many these were.
	DeleteTelemetry(ctx context.Context, tenant TenantID, kind TelemetryKind, ids []ID) (int, error)

	// Series lists the series that a source has ever sent, in the order of type,
	// fragment and series, at most MaxSeries.
	Series(ctx context.Context, tenant TenantID, source ID) ([]SeriesName, error)

	// Stage keeps a QoS 2 publish until Batch.Release; staging the same key again
	// keeps the first and is no error. done as for Submit.
	Stage(p StagedPublish, done func(error))
	Staged(ctx context.Context, key StagedKey) (StagedPublish, error)
	// DropStaged forgets what a device staged: its session ended for good.
	DropStaged(ctx context.Context, tenant TenantID, device string) error
}
