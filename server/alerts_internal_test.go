package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/durable/durabletest"
	"mooring/server/ca"
	"mooring/server/config"
	"mooring/server/httpauth"
	"mooring/server/inventory"
	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/telemetry"
)

// outbox keeps what would be sent.
type outbox struct {
	sent []string
	err  error
	hang bool
}

func (o *outbox) Send(ctx context.Context, subject, text string, at time.Time) error {
	if o.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	o.sent = append(o.sent, subject+"|"+text+"|"+at.Format(time.DateOnly))
	return o.err
}

func newAlerts(t *testing.T) (*authorityAlerts, *telemetry.Service) {
	t.Helper()
	store, err := sqlstore.OpenSQLite(t.Context(), durabletest.Dir(t), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.CreateTenant(t.Context(), platform.Tenant{ID: "t1000", Domain: "x"}, platform.User{Tenant: "t1000", Name: "admin"}); err != nil {
		t.Fatal(err)
	}
	samples := telemetry.New(telemetry.Config{Store: store, IDs: store})
	return newAuthorityAlerts(inventory.New(inventory.Config{Store: store, IDs: store}), samples, slog.New(slog.DiscardHandler)), samples
}

func alarms(t *testing.T, samples *telemetry.Service) []platform.Alarm {
	t.Helper()
	list, err := samples.Alarms(t.Context(), "t1000", platform.TelemetryFilter{Type: authorityAlarm}, platform.Page{Number: 1, Size: 10})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// A failed renewal is one alarm, counted and made critical, and an e-mail each
// time; a renewal clears it.
func TestAuthorityAlerts(t *testing.T) {
	a, samples := newAlerts(t)
	box := &outbox{err: errors.New("relay is down")}
	a.mail = box
	a.RenewalDone(t.Context(), "t1000")
	if all := alarms(t, samples); len(all) != 0 {
		t.Fatalf("alarms before any failure: %+v", all)
	}
	at := time.Date(2027, time.October, 2, 2, 0, 0, 0, time.UTC)
	a.RenewalFailed(t.Context(), "t1000", ca.Alert{Text: "it failed", At: at})
	a.sending.Wait()
	a.RenewalFailed(t.Context(), "t1000", ca.Alert{Text: "it failed again", At: at.AddDate(0, 0, 1), Critical: true})
	a.sending.Wait()
	all := alarms(t, samples)
	if len(all) != 1 || all[0].Count != 2 || all[0].Severity != platform.Critical || all[0].Status != platform.Active || all[0].Text != "it failed again" {
		t.Errorf("alarms = %+v", all)
	}
	o, err := a.objects.Object(t.Context(), "t1000", all[0].Source)
	if err != nil || o.Type != authorityType {
		t.Errorf("source = %+v, %v", o, err)
	}
	want := "Mooring: certificate authority of tenant t1000 was not renewed|it failed|2027-10-02"
	if len(box.sent) != 2 || box.sent[0] != want || !strings.HasSuffix(box.sent[1], "|2027-10-03") {
		t.Errorf("sent %q, want %q first", box.sent, want)
	}
	a.RenewalDone(t.Context(), "t1000")
	if all := alarms(t, samples); len(all) != 1 || all[0].Status != platform.Cleared {
		t.Errorf("after the renewal: %+v", all)
	}
}

// Without a relay there is the alarm; a relay that hangs does not keep the
// server from stopping.
func TestAuthorityAlertsWithoutMail(t *testing.T) {
	a, samples := newAlerts(t)
	a.RenewalFailed(t.Context(), "t1000", ca.Alert{Text: "x", At: time.Now()})
	if all := alarms(t, samples); len(all) != 1 || all[0].Severity != platform.Major {
		t.Errorf("alarms = %+v", all)
	}
	a.mail = &outbox{hang: true}
	a.RenewalFailed(t.Context(), "t1000", ca.Alert{Text: "x", At: time.Now()})
	a.close()
}

// A chore that fails keeps no other from its turn and is tried again in an hour.
func TestKeepSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		began, failed := time.Now(), 0
		var works []time.Duration
		keepSchedule(ctx, slog.New(slog.DiscardHandler), time.Hour, []chore{
			{"fails", func(context.Context) error { failed++; return errors.New("no") }},
			{"works", func(context.Context) error {
				if works = append(works, time.Since(began)); len(works) == 3 {
					stop()
				}
				return nil
			}},
		})
		if want := []time.Duration{0, time.Hour, 2 * time.Hour}; !slices.Equal(works, want) || failed != 3 {
			t.Errorf("done at %v, want %v; failed %d times, want 3", works, want, failed)
		}
	})
}

// The whole server: an authority whose key is lost cannot be renewed on its
// day, and everybody hears of it.
func TestLostKeyIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config.DefaultDev()
		cfg.Data = t.TempDir()
		cfg.Mail = config.Mail{Server: "relay.invalid:25", From: "m@example.com", To: []string{"a@example.com"}}
		s, err := New(t.Context(), cfg, Options{AdminPassword: "admin-password"})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		if s.services.alerts.mail == nil {
			t.Fatal("no e-mail, though a relay is configured")
		}
		box := &outbox{}
		s.services.alerts.mail = box
		admin := platform.Principal{Tenant: devTenant, User: "admin", Roles: platform.AdminRoles}
		req := httptest.NewRequestWithContext(httpauth.WithPrincipal(t.Context(), admin), http.MethodPost, "/certificate-authority", nil)
		answer := httptest.NewRecorder()
		if s.services.rest.ServeHTTP(answer, req); answer.Code != http.StatusCreated {
			t.Fatalf("create: %d %s", answer.Code, answer.Body)
		}
		keys, err := s.store.SealedKeys(t.Context(), devTenant, "tenant-ca")
		if err != nil || len(keys) != 1 {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		if err := s.store.DeleteSealedKey(t.Context(), devTenant, "tenant-ca", keys[0].KeyID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(time.Date(2001, time.October, 2, 2, 0, 0, 0, time.UTC)))
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Hour)
		defer stop()
		s.services.keepSchedule(ctx)
		if len(box.sent) != 1 || !strings.Contains(box.sent[0], "tenant t1000 was not renewed") {
			t.Errorf("sent %q, want one message", box.sent)
		}
		list, err := s.store.Alarms(t.Context(), devTenant, platform.TelemetryFilter{Type: authorityAlarm}, platform.Page{Number: 1, Size: 10})
		if err != nil || len(list.Items) != 1 {
			t.Errorf("alarms %+v, %v, want one", list.Items, err)
		}
	})
}
