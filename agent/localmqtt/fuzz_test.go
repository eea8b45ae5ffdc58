package localmqtt_test

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"mooring/agent/localapi"
	"mooring/agent/localmqtt"
	"mooring/internal/pipetest"
)

// Whatever bytes a client sends, the broker ends the connection or goes on.
func FuzzClient(f *testing.F) {
	f.Add([]byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a\x32\x09\x00\x04s/us\x00\x01x\xe0\x00"))
	f.Add([]byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a\x82\x09\x00\x01\x00\x04s/ds\x01"))
	f.Add([]byte("\x10\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		p, err := localapi.NewPolicy(nil, []string{"s/us"}, []string{"s/ds"}, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		d := newDevice()
		d.arrived = make(chan struct{}, len(sent))
		b := localmqtt.New(d, p, slog.New(slog.DiscardHandler))
		l := pipetest.New()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.Serve(ctx, l) }()
		near := l.Dial()
		go func() { _, _ = io.Copy(io.Discard, near) }()
		_, _ = near.Write(sent) // cut short when the broker ends it
		_ = near.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, m := range d.got() {
			if len(m) < 5 || m[:5] != "s/us " {
				t.Errorf("sent on a topic that is not open: %q", m)
			}
		}
	})
}
