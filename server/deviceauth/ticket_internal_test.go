package deviceauth

import (
	"reflect"
	"testing"
	"time"

	"mooring/server/platform"
)

// TestTicketTellsAll: what a ticket is judged by later is what went into it.
func TestTicketTellsAll(t *testing.T) {
	want := ticket{kind: ticketDevice, listener: "mqtts", verdict: platform.Verdict{
		Tenant: "t1", Device: "dev1", Anchor: "00ff", Serials: []string{"1", "abc", "7"}, ValidUntil: time.Unix(1000, 0).UTC(),
		Lists: []platform.ListEntry{{List: platform.ListKey{1, 15: 2}, Serial: "1"}, {List: platform.ListKey{3}, Serial: "abc"}},
	}}
	extra, ok := want.encode()
	if !ok {
		t.Fatal("not encoded")
	}
	got, ok := decodeTicket(extra)
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for name, lists := range map[string][]byte{"of no serial": append([]byte{3}, make([]byte, 16)...), "cut": make([]byte, 16), "too long": make([]byte, 18)} {
		if _, ok := decodeLists(lists, want.verdict.Serials); ok {
			t.Errorf("a list %s was read", name)
		}
	}
}
