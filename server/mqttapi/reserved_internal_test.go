package mqttapi

import (
	"slices"
	"testing"

	"mooring/server/platform"
)

// TestReservedTopic: what is written is read, whatever the client's topic holds.
func TestReservedTopic(t *testing.T) {
	for _, tt := range []struct {
		topic string
		ids   []platform.ID
		want  string
	}{
		{"a", nil, "a\x01"},
		{"a", []platform.ID{7}, "a\x017-7"},
		{"a", []platform.ID{7, 8, 9, 12}, "a\x017-9,12-12"},
		{"a\x015-5", []platform.ID{7}, "a\x015-5\x017-7"},
	} {
		staged := withReserved(tt.topic, tt.ids)
		if staged != tt.want {
			t.Errorf("%q, want %q", staged, tt.want)
		}
		if topic, ids := reservedOf(staged); topic != tt.topic || !slices.Equal(ids, tt.ids) {
			t.Errorf("%q is %q with %d", staged, topic, ids)
		}
	}
	for staged, want := range map[string]string{"s/us": "s/us", "a\x01x": "a", "a\x011-99999999": "a", "a\x013-1": "a"} {
		if topic, ids := reservedOf(staged); topic != want || len(ids) > 0 {
			t.Errorf("%q is %q with %d IDs", staged, topic, len(ids))
		}
	}
}
