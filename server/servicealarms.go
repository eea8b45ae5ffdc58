package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"mooring/internal/problem"
	"mooring/server/inventory"
	"mooring/server/platform"
	"mooring/server/telemetry"
)

// serviceType names what stands for a tenant's MQTT Service in the inventory. The
// object is made when there is something to say.
const serviceType = "mooring_MqttService"

// The vendor limits the rate of these alarms and names no number; ours.
const (
	serviceAlarmEvery = time.Minute
	serviceAlarmsKept = 10_000 // tenant and type, before all is forgotten
	serviceAlarmTakes = 10 * time.Second
)

// serviceAlarms tells a tenant of the limits its clients of the MQTT Service ran
// into.
type serviceAlarms struct {
	objects *inventory.Service
	samples *telemetry.Service
	log     *slog.Logger

	mu   sync.Mutex // guards told
	told map[serviceAlarm]time.Time
}

type serviceAlarm struct {
	tenant    platform.TenantID
	alarmType string
}

func newServiceAlarms(objects *inventory.Service, samples *telemetry.Service, log *slog.Logger) *serviceAlarms {
	return &serviceAlarms{objects: objects, samples: samples, log: log, told: map[serviceAlarm]time.Time{}}
}

// Raise implements mqttservice.Alarms.
func (a *serviceAlarms) Raise(tenant platform.TenantID, alarmType, text string) {
	if a.due(serviceAlarm{tenant, alarmType}, time.Now()) {
		go a.raise(tenant, alarmType, text)
	}
}

// due reports whether an alarm has not been told lately, and notes that it is now.
func (a *serviceAlarms) due(k serviceAlarm, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last, ok := a.told[k]; ok && now.Sub(last) < serviceAlarmEvery {
		return false
	}
	if len(a.told) >= serviceAlarmsKept {
		clear(a.told)
	}
	a.told[k] = now
	return true
}

func (a *serviceAlarms) raise(tenant platform.TenantID, alarmType, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), serviceAlarmTakes)
	defer cancel()
	source, err := a.object(ctx, tenant)
	if err == nil {
		_, err = a.samples.RaiseAlarm(ctx, tenant, "", platform.Alarm{Source: source, Type: alarmType, Text: text, Severity: platform.Warning})
	}
	if err != nil {
		a.log.Error("alarm of the MQTT Service was not raised", "tenant", tenant, "type", alarmType, "err", err)
	}
}

// object finds what stands for the tenant's service, or makes it.
func (a *serviceAlarms) object(ctx context.Context, tenant platform.TenantID) (platform.ID, error) {
	name := platform.ExternalID{Type: serviceType, Value: string(tenant)}
	id, err := a.objects.Resolve(ctx, tenant, name)
	if !errors.Is(err, problem.NotFound) {
		return id, err
	}
	o, err := a.objects.Create(ctx, tenant, platform.CreateObject{ExternalIDs: []platform.ExternalID{name},
		Object: platform.ManagedObject{Name: "MQTT Service of " + string(tenant), Type: serviceType}})
	if errors.Is(err, problem.Conflict) { // somebody else was faster
		return a.objects.Resolve(ctx, tenant, name)
	}
	return o.ID, err
}
