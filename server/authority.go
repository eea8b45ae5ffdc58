package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"mooring/internal/problem"
	"mooring/server/ca"
	"mooring/server/inventory"
	"mooring/server/platform"
	"mooring/server/telemetry"
)

// What stands for a tenant's certificate authority in the inventory, and the
// alarm on it. The object is made when there is something to say.
const (
	authorityType  = "mooring_CertificateAuthority" // of the object and of its external ID
	authorityAlarm = "mooring_CertificateAuthorityRenewalFailed"
)

// mailer sends an alert to the operators.
type mailer interface {
	Send(ctx context.Context, subject, text string, at time.Time) error
}

// authorityAlerts tells the tenant by alarm and the operators by e-mail.
type authorityAlerts struct {
	objects *inventory.Service
	samples *telemetry.Service
	mail    mailer // nil: no e-mail
	log     *slog.Logger

	sending sync.WaitGroup
	sendCtx context.Context
	giveUp  context.CancelFunc
}

func newAuthorityAlerts(objects *inventory.Service, samples *telemetry.Service, log *slog.Logger) *authorityAlerts {
	a := &authorityAlerts{objects: objects, samples: samples, log: log}
	a.sendCtx, a.giveUp = context.WithCancel(context.Background())
	return a
}

var _ ca.Alerts = (*authorityAlerts)(nil)

// RenewalFailed implements ca.Alerts. The e-mail goes out in the background:
// a mail server may take its time.
func (a *authorityAlerts) RenewalFailed(ctx context.Context, tenant platform.TenantID, alert ca.Alert) {
	ctx = context.WithoutCancel(ctx)
	if err := a.raise(ctx, tenant, alert); err != nil {
		a.log.Error("alarm of a failed renewal was not raised", "tenant", tenant, "err", err)
	}
	if a.mail == nil {
		return
	}
	a.sending.Go(func() {
		subject := "Mooring: certificate authority of tenant " + string(tenant) + " was not renewed"
		if err := a.mail.Send(a.sendCtx, subject, alert.Text, alert.At); err != nil {
			a.log.Error("e-mail of a failed renewal was not sent", "tenant", tenant, "err", err)
		}
	})
}

func (a *authorityAlerts) raise(ctx context.Context, tenant platform.TenantID, alert ca.Alert) error {
	source, err := a.object(ctx, tenant)
	if err != nil {
		return err
	}
	severity := platform.Major
	if alert.Critical {
		severity = platform.Critical
	}
	_, err = a.samples.RaiseAlarm(ctx, tenant, "", platform.Alarm{Source: source, Type: authorityAlarm, Text: alert.Text,
		Severity: severity, Time: platform.Millis(alert.At)})
	return err
}

// object finds what stands for the tenant's authority, or makes it.
func (a *authorityAlerts) object(ctx context.Context, tenant platform.TenantID) (platform.ID, error) {
	name := platform.ExternalID{Type: authorityType, Value: string(tenant)}
	id, err := a.objects.Resolve(ctx, tenant, name)
	if !errors.Is(err, problem.NotFound) {
		return id, err
	}
	o, err := a.objects.Create(ctx, tenant, platform.CreateObject{ExternalIDs: []platform.ExternalID{name},
		Object: platform.ManagedObject{Name: "Certificate authority of " + string(tenant), Type: authorityType}})
	if errors.Is(err, problem.Conflict) { // another node was faster
		return a.objects.Resolve(ctx, tenant, name)
	}
	return o.ID, err
}

// RenewalDone implements ca.Alerts.
func (a *authorityAlerts) RenewalDone(ctx context.Context, tenant platform.TenantID) {
	source, err := a.objects.Resolve(ctx, tenant, platform.ExternalID{Type: authorityType, Value: string(tenant)})
	if errors.Is(err, problem.NotFound) {
		return // there never was an alarm
	}
	if err == nil {
		err = a.clear(context.WithoutCancel(ctx), tenant, source)
	}
	if err != nil {
		a.log.Error("alarm of a failed renewal was not cleared", "tenant", tenant, "err", err)
	}
}

func (a *authorityAlerts) clear(ctx context.Context, tenant platform.TenantID, source platform.ID) error {
	open, err := a.samples.Alarms(ctx, tenant, platform.TelemetryFilter{Source: source, Type: authorityAlarm,
		Statuses: []platform.AlarmStatus{platform.Active, platform.Acknowledged}}, platform.Page{Number: 1, Size: platform.MaxPageSize})
	if err != nil {
		return err
	}
	for _, alarm := range open.Items {
		if _, err := a.samples.UpdateAlarm(ctx, tenant, platform.AlarmUpdate{ID: alarm.ID, Status: platform.Cleared}); err != nil {
			return err
		}
	}
	return nil
}

// close gives up what is being sent: the alarm stays for the next start to see.
func (a *authorityAlerts) close() {
	a.giveUp()
	a.sending.Wait()
}
