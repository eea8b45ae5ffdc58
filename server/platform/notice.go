package platform

import (
	"context"

	"mooring/internal/problem"
)

// NoticeAPI is the part of the platform a notice comes from, by its name in
// notification channels (rest.md §6.12).
type NoticeAPI string

// The parts.
const (
	NoticeManagedObjects     NoticeAPI = "managedobjects"
	NoticeMeasurements       NoticeAPI = "measurements"
	NoticeEvents             NoticeAPI = "events"
	NoticeEventsWithChildren NoticeAPI = "eventsWithChildren"
	NoticeAlarms             NoticeAPI = "alarms"
	NoticeAlarmsWithChildren NoticeAPI = "alarmsWithChildren"
	NoticeOperations         NoticeAPI = "operations"
)

// NoticeAction is what happened.
type NoticeAction string

// The actions.
const (
	NoticeCreate NoticeAction = "CREATE"
	NoticeUpdate NoticeAction = "UPDATE"
	NoticeDelete NoticeAction = "DELETE"
)

// Notice tells those who listen of one thing that was stored, changed or
// removed. It is given out after the commit.
type Notice struct {
	Tenant TenantID
	API    NoticeAPI
	Action NoticeAction
	Source ID     // the managed object it is about
	ID     ID     // of what was stored; for NoticeManagedObjects the same as Source
	Type   string // its type, for filters
	// Object is the ManagedObject, Measurement, Event, Alarm or Operation as it is
	// now; nil if it is gone.
	Object any
	// Transient says that it was not stored (ModeTransient).
	Transient bool
}

// Notices is who passes notices on to those who listen.
type Notices interface {
	// Wanted reports whether anybody of the tenant listens. It costs next to
	// nothing and may be asked for every message.
	Wanted(tenant TenantID) bool
	// Post hands over notices of one tenant, in the order in which things
	// happened, and does not block. done is called exactly once, from any
	// goroutine or from within Post, when those who are promised every notice
	// have these for sure, or with a problem of kind Unavailable; it must not block.
	Post(notices []Notice, done func(error))
}

// Tell posts notices and waits until they are with those who are promised them.
func Tell(ctx context.Context, to Notices, notices ...Notice) error {
	done := make(chan error, 1)
	to.Post(notices, func(err error) { done <- err })
	return Await(ctx, done)
}

// Await waits for the one error that comes through done.
func Await(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return problem.New(problem.Unavailable, "The request was given up before those who listen were told.", ctx.Err())
	}
}

// ProcessingMode says what becomes of data (mqtt.md §2.1, rest.md §0.2).
type ProcessingMode string

// The modes, by their names in the header X-Cumulocity-Processing-Mode. The zero
// value is ModePersistent.
const (
	ModePersistent ProcessingMode = ""          // stored and told
	ModeTransient  ProcessingMode = "TRANSIENT" // told, not stored
	ModeQuiescent  ProcessingMode = "QUIESCENT" // stored, not told
	ModeCEP        ProcessingMode = "CEP"       // for the event engine only: neither
)

type modeKey struct{}

// WithMode returns a context in which data is taken in by m.
func WithMode(ctx context.Context, m ProcessingMode) context.Context {
	return context.WithValue(ctx, modeKey{}, m)
}

// ModeOf returns the mode of a context.
func ModeOf(ctx context.Context) ProcessingMode {
	m, _ := ctx.Value(modeKey{}).(ProcessingMode)
	return m
}
