package agent_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/internal/problem"
	"mooring/server/servertest"
)

// event is an event as REST shows it.
type event struct {
	ID   string
	Text string
	Time time.Time
}

// events lists the device's events in the order of their arrival.
func events(s *servertest.Server, eventType string) (all []event) {
	for page := 1; ; page++ {
		var got struct{ Events []event }
		s.Call(http.MethodGet, fmt.Sprintf("/event/events?type=%s&dateFrom=1970-01-01&revert=true&pageSize=2000&currentPage=%d", eventType, page), nil, &got)
		if len(got.Events) == 0 {
			return all
		}
		all = append(all, got.Events...)
	}
}

// kill ends the agent without letting it write anything more, and gives it the
// disk that is found then.
func (d *rig) kill(way int) {
	d.t.Helper()
	d.disk.CutAt(d.disk.Steps())
	_ = d.stop()
	d.disk = ways[way](d.disk, rand.Uint64())
	d.start()
}

// TestHourWithoutServer: the server is gone for an hour, 10,000 lines come
// meanwhile, the device is killed and loses its power, while it queues and while it
// delivers. All lines that were taken arrive in order, with the time when they
// were made, and few of them twice.
func TestHourWithoutServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		d := enrolledRig(t, s)
		s.Stop()
		const n = 10_000
		begin, made := time.Now(), make([]time.Time, n)
		for i := range n {
			if i == 2500 || i == 7500 {
				d.kill(i / 5000)
			}
			made[i] = time.Now().Truncate(time.Millisecond)
			if err := d.agent.Queue(t.Context(), []string{fmt.Sprintf("400,test,%d", i)}); err != nil {
				t.Fatal(i, err)
			}
			time.Sleep(360 * time.Millisecond)
		}
		if w := d.status().Spool; w.Messages != n || time.Since(begin) < time.Hour {
			t.Fatalf("after %v: %+v", time.Since(begin), w)
		}
		s.Start()
		for kills := 0; ; {
			waiting := d.status().Spool.Messages
			if waiting == 0 {
				break
			}
			if kills < 2 && waiting < uint64(n*(2-kills)/3) {
				d.kill(kills)
				d.until("running", func(st agent.Status) bool { return st.Spool != nil })
				kills++
			}
			time.Sleep(50 * time.Millisecond)
			if time.Since(begin) > 3*time.Hour {
				t.Fatalf("%d messages wait for ever", waiting)
			}
		}
		next, repeated := 0, 0
		seen := map[string]bool{}
		for _, e := range events(s, "test") {
			if seen[e.Text] {
				repeated++
				continue
			}
			seen[e.Text] = true
			if e.Text != fmt.Sprint(next) {
				t.Fatalf("%s arrived, want %d", e.Text, next)
			}
			if !e.Time.Equal(made[next]) {
				t.Fatalf("%d has the time %v, want %v", next, e.Time, made[next])
			}
			next++
		}
		if next != n || repeated > 4*(32+256) {
			t.Errorf("%d of %d arrived, %d twice", next, n, repeated)
		}
		t.Logf("%d lines in order after two kills and two power cuts, %d of them twice", next, repeated)
		_ = d.stop()
	})
}

// Lines that nobody can deliver yet are kept, and pub says so; a new agent sends
// them.
func TestPublishIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		d := enrolledRig(t, s)
		s.Stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := d.agent.Publish(ctx, []string{"400,test,kept"})
		if !errors.Is(err, problem.Unavailable) || !strings.Contains(err.Error(), "kept") {
			t.Errorf("got %v", err)
		}
		if err := d.agent.Queue(t.Context(), []string{"400,test,\"two", "400,test,lines\""}); err != nil {
			t.Error(err)
		}
		for _, bad := range [][]string{nil, {""}, {",,"}, {"400," + strings.Repeat("x", 17000)}} {
			if err := d.agent.Queue(t.Context(), bad); err == nil {
				t.Errorf("%.20q is taken", bad)
			}
		}
		if err := d.stop(); err != nil {
			t.Error(err)
		}
		s.Start()
		d.start()
		d.until("empty", func(st agent.Status) bool { return st.Spool != nil && st.Spool.Messages == 0 })
		if got := events(s, "test"); len(got) != 2 || got[0].Text != "kept" || got[1].Text != "two\n400,test,lines" {
			t.Errorf("got %+v", got)
		}
		_ = d.stop()
	})
}

// The server shows the agent as a service: up, down when it ends and when the
// connection breaks.
func TestServiceStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		d := newRig(t, s, "dev1")
		d.edit = func(c *config.Config) { c.KeepAlive = config.Duration(time.Minute) }
		s.Register("dev1", "the-right-password")
		d.start()
		d.enrol("the-right-password")
		d.until("valid", valid)
		is := func(want string) {
			t.Helper()
			var found struct{ ManagedObject struct{ ID string } }
			s.Call(http.MethodGet, "/identity/externalIds/c8y_Serial/dev1:device:main:service:mooring-agent", nil, &found)
			var o struct{ Type, ServiceType, Name, Status string }
			s.Call(http.MethodGet, "/inventory/managedObjects/"+found.ManagedObject.ID, nil, &o)
			if o.Status != want || o.Type != "c8y_Service" || o.Name != "mooring-agent" {
				t.Errorf("got %+v, want %s", o, want)
			}
		}
		is("up")
		_ = d.stop()
		is("down")
		d.start()
		d.until("valid", valid)
		is("up")
		d.renew()
		is("up")
		d.noMQTT.Store(true)
		_ = (*d.mqtt.Load()).Close()
		time.Sleep(time.Second)
		is("down")
		d.noMQTT.Store(false)
		time.Sleep(time.Minute)
		is("up")
		_ = d.stop()
	})
}

// Measurements come in the interval, which can be changed from outside; a
// certificate that cannot be renewed raises an alarm, and one that was clears it.
func TestTelemetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		d := enrolledRig(t, s)
		for _, bad := range []time.Duration{-1, 1, 10*time.Second - 1, 24*time.Hour + 1} {
			if err := d.agent.SetMeasurementInterval(t.Context(), bad); !errors.Is(err, problem.Invalid) {
				t.Errorf("interval %v: got %v", bad, err)
			}
		}
		if err := d.agent.SetMeasurementInterval(t.Context(), 10*time.Minute); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := s.Count("/measurement/measurements?type=mooring_Telemetry&pageSize=1&withTotalElements=true"); n != 6 {
			t.Errorf("%d measurements in an hour, want 6", n)
		}
		if err := d.agent.SetMeasurementInterval(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		d.noHTTPS.Store(true)
		alarms := func(status string) int {
			return s.Count("/alarm/alarms?type=mooring_CertificateExpiry&status=" + status + "&pageSize=1&withTotalElements=true")
		}
		left := time.Until(*d.status().NotAfter)
		time.Sleep(24 * time.Hour)
		if alarms("ACTIVE") != 0 {
			t.Error("an alarm too soon")
		}
		s.Stop()
		time.Sleep(left * 21 / 25)
		s.Start()
		time.Sleep(time.Hour)
		if alarms("ACTIVE") != 1 {
			t.Error("no alarm")
		}
		d.noHTTPS.Store(false)
		time.Sleep(24 * time.Hour)
		if alarms("ACTIVE") != 0 || alarms("CLEARED") != 1 {
			t.Errorf("%d alarms are active, %d cleared, want 0 and 1", alarms("ACTIVE"), alarms("CLEARED"))
		}
		_ = d.stop()
	})
}
