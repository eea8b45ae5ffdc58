package notify_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"mooring/internal/problem"
	"mooring/server/notify"
	"mooring/server/platform"
)

// ears notes what a listener hears.
type ears struct {
	mu   sync.Mutex
	list []string
}

func (e *ears) Hear(c notify.Channel, n platform.Notice, data []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, fmt.Sprintf("%s/%d %s %s", c.API, c.Source, n.Action, data))
}

func TestListen(t *testing.T) {
	r := newRig(t, notify.Limits{})
	var e ears
	var stops []func()
	for _, c := range []notify.Channel{{API: platform.NoticeAlarms, Source: 3}, {API: platform.NoticeAlarmsWithChildren, Source: 1},
		{API: platform.NoticeAlarmsWithChildren}, {API: platform.NoticeEvents}, {API: platform.NoticeManagedObjects, Source: 3}} {
		stops = append(stops, r.Listen(acme, c, &e))
	}
	gone := platform.Notice{API: platform.NoticeManagedObjects, Action: platform.NoticeDelete, Source: 3, ID: 3}
	r.post(alarm(3, 7, "a"), alarm(1, 8, "a"), alarm(5, 9, "a"), platform.Notice{API: platform.NoticeEvents, Action: platform.NoticeUpdate, Source: 9, Object: 4}, gone,
		platform.Notice{API: platform.NoticeMeasurements, Source: 3, Object: 1})
	r.must(platform.Tell(t.Context(), r, platform.Notice{Tenant: other, API: platform.NoticeAlarms, Source: 3, Object: 1}))
	slices.Sort(e.list)
	want := []string{"alarms/3 CREATE 7", "alarmsWithChildren/0 CREATE 7", "alarmsWithChildren/0 CREATE 8", "alarmsWithChildren/0 CREATE 9",
		"alarmsWithChildren/1 CREATE 7", "alarmsWithChildren/1 CREATE 8", "events/0 UPDATE 4", `managedobjects/3 DELETE {"id":"3"}`}
	if !reflect.DeepEqual(e.list, want) {
		t.Errorf("heard\n got %q\nwant %q", e.list, want)
	}
	for _, stop := range stops {
		stop()
		stop() // twice is once
	}
	if r.Wanted(acme) {
		t.Error("somebody listens")
	}
}

// TestMatch sees what a subscription forwards.
func TestMatch(t *testing.T) {
	object := func(action platform.NoticeAction, source platform.ID) platform.Notice {
		return platform.Notice{API: platform.NoticeManagedObjects, Action: action, Source: source, ID: source, Type: "o", Object: 0}
	}
	all := []platform.Notice{alarm(2, 1, "a"), alarm(3, 2, "b"), event(2, 3), object(platform.NoticeCreate, 2), object(platform.NoticeUpdate, 2),
		{API: platform.NoticeMeasurements, Action: platform.NoticeCreate, Source: 2, Type: "m", Object: 5},
		{API: platform.NoticeOperations, Action: platform.NoticeUpdate, Source: 2, Object: 6}}
	const e = `{"c8y_A":1,"c8y_B":2,"id":"3","type":"e"}`
	tests := []struct {
		name   string
		source platform.ID
		apis   []string
		filter string
		copied []string
		want   []string
	}{
		{name: "everything of an object", source: 2, want: []string{"alarms/2 1", "alarmsWithChildren/2 1", "alarmsWithChildren/2 2", "events/2 " + e,
			"eventsWithChildren/2 " + e, "managedobjects/2 0", "measurements/2 5", "operations/2 6"}},
		{name: "the same by its sign", source: 2, apis: []string{"*"}, filter: "m", want: []string{"measurements/2 5"}},
		{name: "one API", source: 2, apis: []string{"alarms"}, want: []string{"alarms/2 1"}},
		{name: "of descendants", source: 1, apis: []string{"alarmsWithChildren"}, want: []string{"alarmsWithChildren/1 1", "alarmsWithChildren/1 2"}},
		{name: "types", source: 1, apis: []string{"alarmsWithChildren", "eventsWithChildren"}, filter: "'b' or 'e'", want: []string{"alarmsWithChildren/1 2", "eventsWithChildren/1 " + e}},
		{name: "fragments", source: 2, apis: []string{"events"}, copied: []string{"c8y_B", "c8y_C"}, want: []string{`events/2 {"c8y_B":2,"id":"3","type":"e"}`}},
		{name: "another object", source: 5},
		{name: "everything of a tenant", want: []string{"alarms/2 1", "alarms/3 2", "events/2 " + e, "managedobjects/2 0", "operations/2 6"}},
		{name: "one API of a tenant", apis: []string{"managedobjects"}, want: []string{"managedobjects/2 0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, notify.Limits{})
			r.subscribe("news", tt.source, func(n *platform.NotificationSubscription) {
				n.APIs, n.TypeFilter, n.Fragments = tt.apis, tt.filter, tt.copied
			})
			c := r.connect("news", "me")
			r.post(all...)
			r.subscribe("news", 50, nil)
			r.post(alarm(50, 99, "end"))
			want := append(slices.Clone(tt.want), "alarms/50 99")
			if tt.source == 0 && tt.apis == nil {
				want = append(slices.Clone(tt.want), "alarms/50 99", "alarms/50 99") // one for each subscription
			}
			got := c.want(true, want[:len(tt.want)]...)
			c.want(true, "alarms/50 99")
			if len(got) > 0 && got[0].Tenant != acme {
				t.Errorf("got %+v", got[0])
			}
			r.start(notify.Limits{}) // the index is read again
			c = r.connect("news", "you")
			r.post(all...)
			c.want(true, tt.want...)
		})
	}
}

// TestSubscriptionsOfWhatIsGone sees that an object takes its subscriptions along,
// whether anybody listens or not, and that they hear of its end but of nothing
// after it.
func TestSubscriptionsOfWhatIsGone(t *testing.T) {
	for _, listening := range []bool{false, true} {
		t.Run(fmt.Sprint("listening ", listening), func(t *testing.T) {
			r := newRig(t, notify.Limits{})
			r.must(r.store.CreateObject(t.Context(), acme, platform.CreateObject{Object: platform.ManagedObject{ID: 5}}))
			kept := r.subscribe("news", 4, nil)
			r.subscribe("news", 5, nil)
			r.subscribe("other", 5, func(n *platform.NotificationSubscription) { n.APIs = []string{"alarms"} })
			var c *client
			if listening {
				c = r.connect("news", "me")
			}
			r.must(r.store.DeleteObjects(t.Context(), acme, []platform.ID{5}))
			left, err := r.Subscriptions(t.Context(), acme, platform.NotificationFilter{}, platform.Page{Number: 1, Size: 10})
			if err != nil || len(left.Items) != 1 || left.Items[0].ID != kept.ID {
				t.Errorf("left are %+v, %v", left.Items, err)
			}
			if !listening {
				c = r.connect("news", "me")
			}
			gone := platform.Notice{API: platform.NoticeManagedObjects, Action: platform.NoticeDelete, Source: 5, ID: 5}
			r.post(alarm(5, 1, "a"), gone, gone, alarm(4, 2, "a"))
			if listening {
				c.want(true, `managedobjects/5 {"id":"5"}`)
			}
			c.want(true, "alarms/4 2", "alarmsWithChildren/4 2")
			c.silent()
		})
	}
}

func TestSubscribeRefuses(t *testing.T) {
	r := newRig(t, notify.Limits{})
	r.subscribe("news", 5, nil)
	long := strings.Repeat("x", 129)
	fragments := make([]string, 129)
	for i := range fragments {
		fragments[i] = "f"
	}
	tests := []struct {
		name   string
		change func(*platform.NotificationSubscription)
		want   error
	}{
		{"longest name", func(n *platform.NotificationSubscription) { n.Topic.Name = long[1:] }, nil},
		{"most fragments", func(n *platform.NotificationSubscription) { n.Fragments = fragments[1:] }, nil},
		{"same again", func(n *platform.NotificationSubscription) { n.Source, n.Topic.Name = 5, "news" }, problem.Conflict},
		{"same, not persistent", func(n *platform.NotificationSubscription) {
			n.Source, n.Topic.Name, n.Topic.NonPersistent = 5, "news", true
		}, nil},
		{"no name", func(n *platform.NotificationSubscription) { n.Topic.Name = "" }, problem.Unprocessable},
		{"long name", func(n *platform.NotificationSubscription) { n.Topic.Name = long }, problem.Unprocessable},
		{"odd name", func(n *platform.NotificationSubscription) { n.Topic.Name = "a/b" }, problem.Unprocessable},
		{"no context", func(n *platform.NotificationSubscription) { n.Context = "" }, problem.Unprocessable},
		{"no source", func(n *platform.NotificationSubscription) { n.Source = 0 }, problem.Unprocessable},
		{"source of a tenant", func(n *platform.NotificationSubscription) { n.Context = platform.ContextTenant }, problem.Unprocessable},
		{"no such object", func(n *platform.NotificationSubscription) { n.Source = 101 }, problem.NotFound},
		{"object of another tenant", func(n *platform.NotificationSubscription) { n.Tenant = other }, problem.NotFound},
		{"unknown API", func(n *platform.NotificationSubscription) { n.APIs = []string{"audit"} }, problem.Unprocessable},
		{"API twice", func(n *platform.NotificationSubscription) { n.APIs = []string{"alarms", "alarms"} }, problem.Unprocessable},
		{"all and one", func(n *platform.NotificationSubscription) { n.APIs = []string{"*", "alarms"} }, problem.Unprocessable},
		{"measurements of a tenant", func(n *platform.NotificationSubscription) {
			n.Context, n.Source, n.APIs = platform.ContextTenant, 0, []string{"measurements"}
		}, problem.Unprocessable},
		{"bad filter", func(n *platform.NotificationSubscription) { n.TypeFilter = "'a' and 'b'" }, problem.Unprocessable},
		{"too many fragments", func(n *platform.NotificationSubscription) { n.Fragments = fragments }, problem.Unprocessable},
		{"empty fragment", func(n *platform.NotificationSubscription) { n.Fragments = []string{""} }, problem.Unprocessable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := platform.NotificationSubscription{Tenant: acme, Context: platform.ContextObject, Source: 4, Topic: platform.NotificationTopic{Name: "news"}}
			tt.change(&n)
			n, err := r.Subscribe(t.Context(), n)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil {
				r.must(r.Unsubscribe(t.Context(), acme, n.ID))
			}
		})
	}
}

var typeFilters = []struct {
	in   string
	want []string // nil: refused, but for the empty text
}{
	{"", nil}, {"   ", nil}, {"c8y_T", []string{"c8y_T"}}, {"a b", []string{"a b"}}, {"'a'", []string{"a"}},
	{" 'a' or 'b' ", []string{"a", "b"}}, {"'a' OR 'b' or 'c'", []string{"a", "b", "c"}}, {"'a'or'b'", []string{"a", "b"}},
	{"'it''s'", []string{"it's"}}, {"type eq 'a' or type eq 'b'", []string{"a", "b"}}, {"'or' or 'type eq'", []string{"or", "type eq"}},
	{"'a' and 'b'", nil}, {"'a' or", nil}, {"'a", nil}, {"'a' 'b'", nil}, {"''", nil}, {"or 'a'", nil}, {"type 'a'", nil}, {"'a' or b", nil}, {"'", nil},
	{"'a'" + strings.Repeat(" or 'a'", 127), slices.Repeat([]string{"a"}, 128)}, {"'a'" + strings.Repeat(" or 'a'", 128), nil},
	{strings.Repeat("a", 4096), []string{strings.Repeat("a", 4096)}}, {strings.Repeat("a", 4097), nil},
}

func TestParseTypeFilter(t *testing.T) {
	for _, tt := range typeFilters {
		got, err := notify.ParseTypeFilter(tt.in)
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%.40q: got %q, want %q", tt.in, got, tt.want)
		}
		if refused := tt.want == nil && strings.TrimSpace(tt.in) != ""; refused != errors.Is(err, problem.Unprocessable) {
			t.Errorf("%.40q: %v", tt.in, err)
		}
	}
}

func FuzzParseTypeFilter(f *testing.F) {
	for _, tt := range typeFilters {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, text string) {
		types, err := notify.ParseTypeFilter(text)
		if err != nil || len(types) == 0 {
			return
		}
		quoted := make([]string, len(types))
		for i, typ := range types {
			quoted[i] = "'" + strings.ReplaceAll(typ, "'", "''") + "'"
		}
		again := strings.Join(quoted, " or ")
		if got, err := notify.ParseTypeFilter(again); len(again) <= 4096 && (err != nil || !reflect.DeepEqual(got, types)) {
			t.Errorf("%q gives %q, and written anew %q, %v", text, types, got, err)
		}
	})
}
