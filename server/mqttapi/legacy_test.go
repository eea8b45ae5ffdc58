package mqttapi_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/internal/smartrest/legacy"
	"mooring/server/mqttapi"
	"mooring/server/platform"
	"mooring/server/templates"
)

// fakeLegacy answers each body with what it knows of it, and has one collection.
type fakeLegacy struct {
	mu         sync.Mutex
	err        error
	collection *legacy.Collection // of "coll", in every tenant; nil: none
}

func (f *fakeLegacy) Exchange(ctx context.Context, c mqttapi.LegacyClient, xid string, body []byte, maxBytes int) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Appendf(nil, "%s/%s,%s,%s,%s,%d", c.Principal.Tenant, c.Principal.User, xid, platform.ModeOf(ctx), body, maxBytes), f.err
}

func (f *fakeLegacy) Collection(_ context.Context, _ platform.TenantID, xid string) (templates.Legacy, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if xid != "coll" || f.collection == nil {
		return templates.Legacy{}, problem.NotFound
	}
	return templates.Legacy{ID: 7, Collection: f.collection}, nil
}

// set changes what there is.
func (f *fakeLegacy) set(t testing.TB, err error, lines string) {
	t.Helper()
	parsed, e := smartrest.ParseLegacy([]byte(lines))
	if e != nil {
		t.Fatal(e)
	}
	c, _, e := legacy.Parse(parsed)
	if e != nil {
		t.Fatal(e)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.collection = err, c
}

// TestLegacy: bodies go to who carries them out, with their mode, and answers to the
// topic that belongs to the topic they came by. A device with a certificate is
// refused as on the real platform.
func TestLegacy(t *testing.T) {
	w := newWhole(t, func(_ *whole, cfg *mqttapi.Config) { cfg.Legacy = &fakeLegacy{} })
	c := w.connect(t, dev("dev1"))
	c.subscribe("s/dl", "s/dl/x", "s/dl/y", "s/e")
	for _, tt := range []struct{ topic, on, want string }{
		{"s/ul/x", "s/dl/x", "t1000/device_dev1,x,,100,1,32768"},
		{"t/ul/x", "s/dl/x", "t1000/device_dev1,x,TRANSIENT,100,1,32768"},
		{"q/ul/y", "s/dl/y", "t1000/device_dev1,y,QUIESCENT,100,1,32768"},
		{"c/ul/y", "s/dl/y", "t1000/device_dev1,y,CEP,100,1,32768"},
		{"s/ul", "s/dl", "t1000/device_dev1,,,100,1,32768"},
		{"s/ul/x/y", "s/e", `50,,Topic "s/ul/x/y" is not available`},
	} {
		if got := c.refused(tt.topic, "100,1", tt.on); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.topic, got, tt.want)
		}
	}
	for _, filter := range []string{"s/ul/x", "s/ul", "s/dl/#", "s/ol/#", "s/ol", "s/ol/x/y", "t/dl/x", "s/dl/"} {
		c.send(subscribe(9, 0, filter))
		if p, ok := c.read().(*mqtt.SubackPacket); !ok || p.ReturnCodes[0] != 0x80 {
			t.Errorf("%s is granted: %v", filter, p)
		}
	}
}

func TestLegacyByCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		r.trust("dev1")
		c := r.dialTLS(t, newCertificate(t, "dev1"))
		if code := c.connect(options{id: "dev1", noUser: true, noPassword: true}); code != 0 {
			t.Fatalf("CONNACK %d", code)
		}
		c.subscribe("s/dl/x", "s/e")
		c.send(publish(0, 0, "s/ul/x", "100,1"))
		c.wantMessage("s/dl/x", "50,1,401,Unauthorized")
		p := r.connect(t, dev("dev2"))
		p.subscribe("s/dl/x", "s/e")
		p.send(publish(0, 0, "s/ul/x", "100,1")) // on a server that has no SmartREST 1.0
		p.wantMessage("s/dl/x", `40,"No template for this X-ID."`)
	})
}

// TestLegacyAgain: what could not be begun is not acknowledged.
func TestLegacyAgain(t *testing.T) {
	f := &fakeLegacy{}
	w := newWhole(t, func(_ *whole, cfg *mqttapi.Config) { cfg.Legacy = f })
	f.set(t, problem.New(problem.Unavailable, "", errors.New("disk full")), "")
	c := w.connect(t, dev("dev1"))
	c.send(publish(3, 1, "s/ul/x", "100,1"))
	c.wantClosed()
}

// TestLegacyOperations: operations go out on s/ol/<xid>, those that were pending
// before the subscription and new ones, in the words of the collection. Filters
// whose collection is not there bring them once it is.
func TestLegacyOperations(t *testing.T) {
	f := &fakeLegacy{}
	w := newWhole(t, func(_ *whole, cfg *mqttapi.Config) { cfg.Legacy = f })
	c := w.device(t, "dev1", "s/ol/coll")
	id := w.object(tenant, "dev1").ID
	first := w.ordered(tenant, "dev1", `"c8y_Command":{"text":"say \"hi\""}`)
	c.sync()
	f.set(t, nil, "11,502,,$.c8y_Restart,$.id,$.deviceId\n11,807,,$.c8y_Command,$.id,$.c8y_Command.text,$.deviceId")
	c.send(publish(0, 0, "s/us", "500"))
	c.wantMessage("s/ol/coll", fmt.Sprintf(`807,1,%s,"say ""hi""",%s`, first, id))
	second := w.ordered(tenant, "dev1", `"c8y_Restart":{}`)
	c.wantMessage("s/ol/coll", fmt.Sprintf("502,1,%s,%s", second, id))
	w.ordered(tenant, "dev1", `"c8y_Other":{}`)
	c.sync() // and nothing of the third, of which no template says anything
}
