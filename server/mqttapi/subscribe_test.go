package mqttapi_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/server/mqttapi"
)

// TestSubscribe: who may subscribe what (mqtt.md §2.3; traps 7, 8 and 17).
func TestSubscribe(t *testing.T) {
	tests := []struct {
		filter        string
		before, after bool // granted before and after the object exists
	}{
		{"s/ds", false, true}, {"s/dat", false, true}, {"devicecontrol/notifications", false, true},
		{"s/e", true, true}, {"s/dt", true, true}, {"s/dc/#", true, true}, {"s/dc/mine", true, true}, {"error", true, true},
		{"s/dl", true, true}, {"s/dl/mine", true, true}, {"s/ol/mine", true, true}, {"s/dd", true, true},
		{"s/us", false, false}, {"s/us/child", false, false}, {"t/us", false, false}, {"s/uat", false, false}, {"s/uc/mine", false, false}, {"s/ut/mine", false, false},
		{"measurement/measurements/create", false, false}, {"inventory/managedObjects/update/1", false, false},
		{"#", false, false}, {"s/#", false, false}, {"+/ds", false, false}, {"s/+", false, false}, {"s/ds/#", false, false},
		{"$SYS/#", false, false}, {"$SYS/broker/version", false, false}, {"$share/g/s/ds", false, false},
		{"other", false, false}, {"t/ds", false, false}, {"s/dc", false, false},
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		check := func(filter string, want bool) {
			t.Helper()
			c.send(subscribe(5, 1, filter))
			s := c.read().(*mqtt.SubackPacket)
			code := byte(0x80)
			if want {
				code = 1
			}
			if s.MessageID != 5 || !bytes.Equal(s.ReturnCodes, []byte{code}) {
				t.Errorf("%s: %v, want %#x", filter, s.ReturnCodes, code)
			}
		}
		for _, tt := range tests {
			check(tt.filter, tt.before)
		}
		c.send(publish(0, 0, "s/us", "100"))
		for _, tt := range tests {
			check(tt.filter, tt.after)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		// The SUBACK comes before what the subscription brings, and 128 filters fit.
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		filters := []string{"s/ds"}
		for i := range 127 {
			filters = append(filters, fmt.Sprintf("s/dc/x%d", i))
		}
		c.send(publish(0, 0, "s/us", "100"), subscribe(1, 2, filters...), publish(0, 0, "s/us", "123"), subscribe(2, 0, "s/dc/one-more"))
		s := c.read().(*mqtt.SubackPacket)
		if want := bytes.Repeat([]byte{2}, 128); !bytes.Equal(s.ReturnCodes, want) {
			t.Errorf("codes %v", s.ReturnCodes)
		}
		if m := c.wantMessage("s/ds", "124,101"); m.Qos != 2 || m.Retain {
			t.Errorf("QoS %d, retain %v", m.Qos, m.Retain)
		} else {
			rec := mqtt.NewControlPacket(mqtt.Pubrec).(*mqtt.PubrecPacket)
			rec.MessageID = m.MessageID
			s := c.read().(*mqtt.SubackPacket)
			if !bytes.Equal(s.ReturnCodes, []byte{0x80}) {
				t.Errorf("filter 129: %v", s.ReturnCodes)
			}
			c.send(rec)
			c.want(mqtt.Pubrel, m.MessageID)
		}
		// Overlapping filters bring a message once; unsubscribed ones not at all.
		c.subscribe("s/ds")
		c.send(publish(0, 0, "s/us", "123"))
		c.wantMessage("s/ds", "124,101")
		u := mqtt.NewControlPacket(mqtt.Unsubscribe).(*mqtt.UnsubscribePacket)
		u.MessageID, u.Topics = 3, []string{"s/ds"}
		c.send(u, publish(0, 0, "s/us", "123"))
		c.want(mqtt.Unsuback, 3)
		c.send(subscribe(4, 0, "s/e"))
		c.want(mqtt.Suback, 4)
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		c.send(subscribe(1, 0, make([]string, 129)...))
		c.wantClosed()
	})
}
