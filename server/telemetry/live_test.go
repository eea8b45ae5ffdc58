package telemetry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"mooring/server/platform"
	"mooring/server/telemetry"
)

// heardStore stores nothing and says that it did.
type heardStore struct{ platform.Telemetry }

func (heardStore) Submit(_ platform.Batch, done func(error)) { done(nil) }
func (heardStore) Alarm(context.Context, platform.TenantID, platform.ID) (platform.Alarm, error) {
	return platform.Alarm{}, nil
}

type heardIDs struct{}

func (heardIDs) NewID(context.Context) (platform.ID, error) { return 1, nil }

type heard []string

func (h *heard) Heard(t platform.TenantID, id platform.ID, _ time.Time) {
	*h = append(*h, fmt.Sprint(t, " ", id))
}

// TestHeard: whose telemetry comes over REST is alive; whose absence is told is not.
func TestHeard(t *testing.T) {
	var told heard
	s := telemetry.New(telemetry.Config{Store: heardStore{}, IDs: heardIDs{}, Live: &told})
	for _, alarm := range []string{"c8y_X", platform.UnavailabilityAlarm} {
		if _, err := s.RaiseAlarm(t.Context(), "t1", "admin", platform.Alarm{Source: 7, Type: alarm, Text: "x", Severity: platform.Major, Body: json.RawMessage("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"t1 7"}; !slices.Equal(told, want) {
		t.Errorf("heard %q, want %q", told, want)
	}
}
