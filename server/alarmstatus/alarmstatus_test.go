package alarmstatus_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/problem"
	"mooring/server/alarmstatus"
	"mooring/server/inventory"
	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/telemetry"
)

// rig is the service on the real ones around it, in simulated time.
type rig struct {
	*testing.T
	store   *sqlstore.Store
	objects *inventory.Service
	alarms  *telemetry.Service
	status  *alarmstatus.Service
	writes  int
	err     error // of the next write
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// Update counts what is written, and fails on demand.
func (r *rig) Update(ctx context.Context, tenant platform.TenantID, cmd platform.UpdateObject) (platform.ManagedObject, error) {
	r.writes++
	if err := r.err; err != nil {
		r.err = nil
		return platform.ManagedObject{}, err
	}
	return r.objects.Update(ctx, tenant, cmd)
}

func (r *rig) Object(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.ManagedObject, error) {
	return r.objects.Object(ctx, tenant, id)
}

func (r *rig) Objects(ctx context.Context, tenant platform.TenantID, f platform.ObjectFilter, page platform.Page) (platform.List[platform.ManagedObject], error) {
	return r.objects.Objects(ctx, tenant, f, page)
}

// serve calls f while the service runs on the store in dir.
func serve(t *testing.T, dir string, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t}
		var err error
		r.store, err = sqlstore.OpenSQLite(t.Context(), dir, sqlstore.Options{})
		r.must(err)
		defer func() { r.must(r.store.Close()) }()
		r.objects = inventory.New(inventory.Config{Store: r.store, IDs: r.store})
		r.status = alarmstatus.New(alarmstatus.Config{Alarms: r.store, Objects: r, Tenants: r.store})
		r.alarms = telemetry.New(telemetry.Config{Store: r.store, IDs: r.store, Watcher: r.status})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		defer func() { cancel(); <-ended }()
		go func() { defer close(ended); r.status.Run(ctx) }()
		f(r)
	})
}

func (r *rig) device(tenant platform.TenantID) platform.ID {
	r.Helper()
	o, err := r.objects.Create(r.Context(), tenant, platform.CreateObject{})
	r.must(err)
	return o.ID
}

func (r *rig) raise(tenant platform.TenantID, source platform.ID, typ string, severity platform.Severity) {
	r.Helper()
	_, err := r.alarms.RaiseAlarm(r.Context(), tenant, "u", platform.Alarm{Source: source, Type: typ, Severity: severity})
	r.must(err)
}

// want waits until what is news is written.
func (r *rig) want(tenant platform.TenantID, id platform.ID, want string) {
	r.Helper()
	time.Sleep(5 * time.Second)
	synctest.Wait()
	o, err := r.objects.Object(r.Context(), tenant, id)
	r.must(err)
	if got := string(o.Fragments[platform.FragmentActiveAlarms]); got != want {
		r.Errorf("got %s, want %s", got, want)
	}
}

func TestStatus(t *testing.T) {
	dir := t.TempDir()
	var device, foreign platform.ID
	serve(t, dir, func(r *rig) {
		for _, id := range []platform.TenantID{"t1", "t2"} {
			r.must(r.store.CreateTenant(r.Context(), platform.Tenant{ID: id}, platform.User{Tenant: id, Name: "admin"}))
		}
		device, foreign = r.device("t1"), r.device("t2")
		r.want("t1", device, "")
		r.raise("t1", device, "a", platform.Critical)
		r.raise("t1", device, "b", platform.Minor)
		r.raise("t1", device, "c", platform.Minor)
		r.raise("t1", device, "c", platform.Minor) // again: no new alarm
		r.raise("t1", 999999, "c", platform.Minor) // of an object that is not there
		r.want("t1", device, `{"critical":1,"major":0,"minor":2,"warning":0}`)
		r.want("t2", foreign, "")
		if r.writes != 1 {
			r.Errorf("%d writes for alarms that came together", r.writes)
		}
		r.must(r.alarms.SetAlarmStatus(r.Context(), "t1", "u", platform.TelemetryFilter{Type: "b"}, platform.Acknowledged))
		r.want("t1", device, `{"critical":1,"major":0,"minor":2,"warning":0}`)
		r.must(r.alarms.SetAlarmStatus(r.Context(), "t1", "u", platform.TelemetryFilter{Type: "b"}, platform.Cleared))
		r.err = problem.New(problem.Unavailable, "The disk is full.", errors.New("full"))
		r.want("t1", device, `{"critical":1,"major":0,"minor":1,"warning":0}`)
		r.raise("t1", device, "d", platform.Warning) // and the server is killed
	})
	serve(t, dir, func(r *rig) {
		r.want("t1", device, `{"critical":1,"major":0,"minor":1,"warning":1}`)
		r.must(r.alarms.DeleteAlarms(r.Context(), "t1", platform.TelemetryFilter{Source: device}))
		r.want("t1", device, `{"critical":0,"major":0,"minor":0,"warning":0}`)
		r.want("t2", foreign, "")
	})
}
