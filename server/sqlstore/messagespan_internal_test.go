package sqlstore

import (
	"testing"
	"time"

	"mooring/server/platform"
)

// TestMessageSpan: the numbers of what waits for a session lie closer together
// than there are packet IDs, however long one of them waits.
func TestMessageSpan(t *testing.T) {
	s, err := OpenSQLite(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.CreateTenant(t.Context(), platform.Tenant{ID: "t1", Domain: "t1.example.com", Created: time.UnixMilli(1)},
		platform.User{Tenant: "t1", Name: "admin", Enabled: true, Created: time.UnixMilli(1)}); err != nil {
		t.Fatal(err)
	}
	submit := func() (full int) {
		done := make(chan error, 1)
		s.SubmitMessage(platform.SubmitMessage{Tenant: "t1", Body: []byte("x"), To: []platform.Recipient{{Client: "a", QoS: 1}}, MaxMessages: 10, MaxBytes: 1 << 20},
			func(who []string, err error) { full = len(who); done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		return full
	}
	s.SaveMessageSession(platform.MessageSession{Tenant: "t1", Client: "a"}, func(error) {})
	submit() // number 1
	for _, tt := range []struct {
		last int
		want int
	}{{platform.MaxMessageSpan - 1, 0}, {platform.MaxMessageSpan, 0}, {platform.MaxMessageSpan + 1, 1}, {platform.MaxMessageSpan + 2, 1}} {
		if err := s.telemetry.do(t.Context(), func(tx *session) error {
			return tx.run("UPDATE message_sessions SET last = $1", tt.last)
		}); err != nil {
			t.Fatal(err)
		}
		if got := submit(); got != tt.want {
			t.Errorf("after number %d: %d full, want %d", tt.last, got, tt.want)
		}
	}
}
