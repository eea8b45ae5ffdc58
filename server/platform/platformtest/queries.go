package platformtest

import (
	"encoding/json"
	"fmt"
	"strings"

	"mooring/internal/query"
	"mooring/server/platform"
)

// forest stores the objects that queryChecks ask for, by name.
func (f *fixture) forest() map[string]platform.ID {
	f.Helper()
	f.tenants()
	ids := map[string]platform.ID{}
	for i, o := range []struct{ name, typ, owner, fragments string }{
		{"Group", "c8y_DeviceGroup", "admin", `{"c8y_IsDeviceGroup":{}}`},
		{"Dev 1", "linux", "device_1", `{"c8y_IsDevice":{},"c8y_Availability":{"status":"AVAILABLE","lastMessage":"2026-01-10T08:00:00.000Z"},"n":1,"c8y_Hardware":{"serialNumber":"S1","model":"rpi"}}`},
		{"dev 2", "linux", "device_2", `{"c8y_IsDevice":{},"c8y_Availability":{"status":"UNAVAILABLE","lastMessage":"2026-01-11T08:00:00.000Z"},"n":10,"tags":["a","b"]}`},
		{"Dev%3_", "esp", "device_3", `{"c8y_IsDevice":{},"n":2.5,"customers":[{"id":"123"},{"id":"456"}],"bad":"\ud800\u0000","huge":1e999999}`},
		{"", "", "admin", `{"c8y_IsDynamicGroup":{"invisible":{}},"c8y_DeviceQueryString":"type eq 'x'"}`},
		{"Sub", "c8y_DeviceSubgroup", "admin", `{"c8y_IsDeviceGroup":{},"flag":true,"deep":{"a":{"b":[{"c":7}]}}}`},
	} {
		mo := platform.ManagedObject{ID: f.newID(), Tenant: acme, Name: o.name, Type: o.typ, Owner: o.owner, Created: at(100 * i), Updated: at(1000 - 100*i)}
		f.must(json.Unmarshal([]byte(o.fragments), &mo.Fragments))
		f.must(f.CreateObject(f.Context(), acme, platform.CreateObject{Object: mo}))
		ids[o.name] = mo.ID
	}
	for _, l := range []platform.ChildLink{
		{Parent: ids["Group"], Kind: platform.ChildAssets, Child: ids["Dev 1"]},
		{Parent: ids["Group"], Kind: platform.ChildAssets, Child: ids["Sub"]},
		{Parent: ids["Sub"], Kind: platform.ChildAssets, Child: ids["dev 2"]},
		{Parent: ids["dev 2"], Kind: platform.ChildDevices, Child: ids["Dev%3_"]},
		{Parent: ids["Dev%3_"], Kind: platform.ChildAssets, Child: ids["Group"]}, // a ring
	} {
		f.must(f.AddChild(f.Context(), acme, l))
	}
	twin := platform.ManagedObject{ID: f.newID(), Tenant: other, Name: "Dev 1", Type: "linux", Owner: "device_1", Created: day, Updated: day,
		Fragments: platform.Fragments{"c8y_IsDevice": json.RawMessage("{}"), "n": json.RawMessage("1")}}
	f.must(f.CreateObject(f.Context(), other, platform.CreateObject{Object: twin, Parent: nil}))
	return ids
}

// queryRows are queries with the names of what they find; "#Name" is that
// object's ID.
var queryRows = []struct{ query, want string }{
	{"", "Group|Dev 1|dev 2|Dev%3_||Sub"},
	{"name eq 'Dev 1'", "Dev 1"},
	{"name eq 'dev 1'", ""},
	{"name eq 'dev*'", "Dev 1|dev 2|Dev%3_"},
	{"name eq '*%*'", "Dev%3_"},
	{"name eq '*'", "Group|Dev 1|dev 2|Dev%3_|Sub"},
	{"name eq null", ""},
	{"name ne null and type eq 'c8y*'", "Group|Sub"},
	{"name gt 'Group'", "dev 2|Sub"},
	{"not(name eq 'D*')", "Group||Sub"},
	{"type eq linux and owner eq 'device_2'", "dev 2"},
	{"owner eq '*_2' or owner eq 'device_1'", "Dev 1|dev 2"},
	{"id eq '#Sub' or id eq #Group", "Group|Sub"},
	{"id gt '#Dev 1' and id le '#Sub'", "dev 2|Dev%3_||Sub"},
	{"id eq 'x'", ""},
	{"id eq '#Sub*'", "Sub"},
	{"has(c8y_IsDevice)", "Dev 1|dev 2|Dev%3_"},
	{"not has(c8y_IsDevice)", "Group||Sub"},
	{"hasany(c8y_IsDeviceGroup,c8y_Hardware)", "Group|Dev 1|Sub"},
	{"hasany(c8y_IsDeviceGroup,c8y_Hardware.model)", "Group|Dev 1|Sub"},
	{"has(name)", "Group|Dev 1|dev 2|Dev%3_|Sub"},
	{"has(c8y_Hardware.serialNumber)", "Dev 1"},
	{"has(c8y_IsDynamicGroup.invisible)", ""},
	{"has(c8y_IsDynamicGroup) and not(has(c8y_IsDynamicGroup.visible))", ""},
	{"c8y_Availability.status eq 'AVAILABLE'", "Dev 1"},
	{"c8y_Availability.status eq '*available'", "Dev 1|dev 2"},
	{"not(c8y_Availability.status eq 'AVAILABLE') and has(c8y_IsDevice)", "dev 2|Dev%3_"},
	{"c8y_Availability.status eq null and has(c8y_IsDevice)", "Dev%3_"},
	{"c8y_Availability.lastMessage.date gt '2026-01-10T09:00:00+01:00'", "dev 2"},
	{"c8y_Availability.lastMessage ge '2026-01-10T09:00:00+01:00'", "Dev 1|dev 2"},
	{"n gt 2", "dev 2|Dev%3_"},
	{"n le 2.5f", "Dev 1|Dev%3_"},
	{"n eq 10 or bygroupid(#Group)", "Dev 1|dev 2|Sub"},
	{"n eq 1 or isinhierarchyof(#Sub)", "Group|Dev 1|dev 2|Dev%3_|Sub"},
	{"n eq 1 or has(flag) or name eq 'x'", "Dev 1|Sub"},
	{"tags eq 'b'", "dev 2"},
	{"customers.id eq '456'", "Dev%3_"},
	{"flag eq true", "Sub"},
	{"deep.a.b.c ge 7", "Sub"},
	{"bad eq 'x'", ""},
	{"huge gt 5", ""},
	{"c8y_DeviceQueryString eq 'type eq ''x'''", ""},
	{"bygroupid(#Group)", "Dev 1|Sub"},
	{"bygroupid(#Group,#Sub) and has(c8y_IsDevice)", "Dev 1|dev 2"},
	{"isinhierarchyof(#dev 2)", "Group|Dev 1|dev 2|Dev%3_|Sub"},
	{"isinhierarchyof(#Dev 1)", "Dev 1"},
	{"isinhierarchyof(999999)", ""},
	{"creationTime.date gt '2026-01-10T08:01:40.123Z'", "dev 2|Dev%3_||Sub"},
	{"creationTime le '2026-01-10T09:01:40.123+01:00'", "Group|Dev 1"},
	{"lastUpdated.date lt '2026-01-10T08:10:00.000Z'", "Sub"},
	{"creationTime.date eq 'never'", ""},
	{"$orderby=name", "|Dev 1|Dev%3_|Group|Sub|dev 2"},
	{"$orderby=name desc", "dev 2|Sub|Group|Dev%3_|Dev 1|"},
	{"$orderby=type desc,name asc", "Dev 1|dev 2|Dev%3_|Sub|Group|"},
	{"$orderby=creationTime.date desc", "Sub||Dev%3_|dev 2|Dev 1|Group"},
	{"$orderby=lastUpdated", "Sub||Dev%3_|dev 2|Dev 1|Group"},
	{"$orderby=id desc", "Sub||Dev%3_|dev 2|Dev 1|Group"},
	{"has(c8y_IsDevice) $orderby=name", "Dev 1|Dev%3_|dev 2"},
	{"has(c8y_IsDevice) $orderby=n desc", "dev 2|Dev%3_|Dev 1"},
	{"$orderby=n,name", "|Group|Sub|Dev 1|Dev%3_|dev 2"},
	{"bygroupid(#Group) $orderby=name desc", "Sub|Dev 1"},
	{"n gt 0 $orderby=name desc", "dev 2|Dev%3_|Dev 1"},
	{"c8y_Availability.status eq 'A*' or name eq 'S*' $orderby=owner", "Sub|Dev 1"},
}

// nameless is found by queries that have "" in the list of names alone.
var nameless = map[string]bool{
	"name eq null": true, "has(c8y_IsDynamicGroup.invisible)": true, "has(c8y_IsDynamicGroup) and not(has(c8y_IsDynamicGroup.visible))": true,
	"c8y_DeviceQueryString eq 'type eq ''x'''": true,
}

var queryChecks = []check{
	{"objects by query", func(f *fixture) {
		ids := f.forest()
		for _, tt := range queryRows {
			text := tt.query
			for name, id := range ids {
				if name != "" {
					text = strings.ReplaceAll(text, "#"+name, id.String())
				}
			}
			q, err := query.Parse(text)
			f.must(err)
			var want []string
			if tt.want != "" || nameless[tt.query] {
				want = strings.Split(tt.want, "|")
			}
			filter := platform.ObjectFilter{Query: q}
			l := got[platform.List[platform.ManagedObject]](f)(f.Objects(f.Context(), acme, filter, platform.Page{Number: 1, Size: 10, WithTotal: true}))
			equal(f, tt.query, collect(l.Items, func(o platform.ManagedObject) string { return o.Name }), want)
			equal(f, tt.query+": total", l.Total, int64(len(want)))
			for i, o := range l.Items {
				one := got[platform.List[platform.ManagedObject]](f)(f.Objects(f.Context(), acme, filter, platform.Page{Number: i + 1, Size: 1}))
				equal(f, fmt.Sprint(tt.query, ": page ", i+1), one.Items, []platform.ManagedObject{o})
				equal(f, "more", one.More, i+1 < len(want))
			}
			for _, o := range got[platform.List[platform.ManagedObject]](f)(f.Objects(f.Context(), other, filter, everything)).Items {
				if o.Tenant != other || o.Owner != "device_1" {
					f.Errorf("%s of another tenant: got %+v", tt.query, o)
				}
			}
		}
	}},
	{"objects by query in pages", func(f *fixture) {
		f.tenants()
		for i := range 4 {
			f.create(fmt.Sprint("dev", i), "c8y_IsDevice")
		}
		for _, text := range []string{"has(c8y_IsDevice)", "name eq 'dev*'", "c8y_IsDevice.n eq 1", "has(c8y_IsDevice) $orderby=c8y_IsDevice.n", "has(c8y_IsDevice) $orderby=name"} {
			q, err := query.Parse(text)
			f.must(err)
			pages(f, 4, func(p platform.Page) (platform.List[platform.ManagedObject], error) {
				return f.Objects(f.Context(), acme, platform.ObjectFilter{Query: q}, p)
			})
		}
	}},
	{"few among many", func(f *fixture) {
		f.tenants()
		var cmds []platform.CreateObject
		const many = 2200 // more than are looked at before all are
		for i := range many {
			o := f.object(fmt.Sprint("dev", i), "f")
			o.Fragments["n"] = json.RawMessage(fmt.Sprint(i))
			cmds = append(cmds, platform.CreateObject{Object: o})
		}
		f.must(f.CreateObjects(f.Context(), acme, cmds))
		for text, want := range map[string]int{"n ge 2190": 10, "n eq 2199": 1, "n lt 3": 3, "n lt 0": 0, "n lt 1000": 1000, "n lt 1500 or n gt 2198": 1501, "has(f.n)": many} {
			q, err := query.Parse(text)
			f.must(err)
			for _, size := range []int{1, 5, 1000, 2000} {
				for number := 1; ; number++ {
					l := got[platform.List[platform.ManagedObject]](f)(f.Objects(f.Context(), acme, platform.ObjectFilter{Query: q}, platform.Page{Number: number, Size: size}))
					left := max(want-(number-1)*size, 0)
					if len(l.Items) != min(left, size) || l.More != (left > size) {
						f.Fatalf("%s, page %d of %d: got %d, more %v", text, number, size, len(l.Items), l.More)
					}
					if !l.More || size < 1000 && number > 2 {
						break
					}
				}
			}
		}
	}},
	{"the largest query", func(f *fixture) {
		id := f.forest()["Sub"].String()
		for _, between := range []string{" or ", " and "} {
			for _, leaf := range []string{"id eq " + id, "type eq 'c8y_DeviceSubgroup'", "name eq 'S*'", "has(flag)", "flag eq true"} {
				q, err := query.Parse(strings.Repeat(leaf+between, query.MaxLeaves-1) + leaf)
				f.must(err)
				l := got[platform.List[platform.ManagedObject]](f)(f.Objects(f.Context(), acme, platform.ObjectFilter{Query: q}, everything))
				equal(f, leaf+between, len(l.Items), 1)
			}
		}
	}},
}

var relativeChecks = []check{
	{"a group has its assets and its additions, each once", func(f *fixture) {
		ids := f.forest()
		for _, child := range []string{"dev 2", "Dev 1"} { // the first is an asset, too
			f.must(f.AddChild(f.Context(), acme, platform.ChildLink{Parent: ids["Sub"], Kind: platform.ChildAdditions, Child: ids[child]}))
		}
		f.must(f.AddChild(f.Context(), acme, platform.ChildLink{Parent: ids["Sub"], Kind: platform.ChildDevices, Child: ids["Dev%3_"]}))
		for text, want := range map[string][]string{"": {"Dev 1", "dev 2"}, " and n eq 10": {"dev 2"}, " and n eq 1": {"Dev 1"}} {
			q, err := query.Parse("bygroupid(" + ids["Sub"].String() + ")" + text)
			f.must(err)
			l := got[platform.List[platform.ManagedObject]](f)(f.Objects(f.Context(), acme, platform.ObjectFilter{Query: q}, platform.Page{Number: 1, Size: 5, WithTotal: true}))
			equal(f, "of the group"+text, collect(l.Items, func(o platform.ManagedObject) string { return o.Name }), want)
			equal(f, "total", l.Total, int64(len(want)))
		}
	}},
	{"relatives of many", func(f *fixture) {
		ids := f.forest()
		group, sub, dev1, dev2, dev3 := ids["Group"], ids["Sub"], ids["Dev 1"], ids["dev 2"], ids["Dev%3_"]
		rel := func(of platform.ID, k platform.ChildKind, id platform.ID, name string) platform.Relative {
			return platform.Relative{Of: of, Kind: k, ID: id, Name: name}
		}
		const assets, devices = platform.ChildAssets, platform.ChildDevices
		equal(f, "children", got[[]platform.Relative](f)(f.ChildrenOf(f.Context(), acme, []platform.ID{dev2, group}, 10)),
			[]platform.Relative{rel(group, assets, dev1, "Dev 1"), rel(group, assets, sub, "Sub"), rel(dev2, devices, dev3, "Dev%3_")})
		equal(f, "first children", got[[]platform.Relative](f)(f.ChildrenOf(f.Context(), acme, []platform.ID{dev2, group}, 1)),
			[]platform.Relative{rel(group, assets, dev1, "Dev 1"), rel(dev2, devices, dev3, "Dev%3_")})
		equal(f, "counts", got[map[platform.ID]map[platform.ChildKind]int64](f)(f.CountChildrenOf(f.Context(), acme, []platform.ID{dev1, dev2, group})),
			map[platform.ID]map[platform.ChildKind]int64{group: {assets: 2}, dev2: {devices: 1}})
		equal(f, "parents", got[[]platform.Relative](f)(f.ParentsOf(f.Context(), acme, []platform.ID{dev2, dev3}, false)),
			[]platform.Relative{rel(dev2, assets, sub, "Sub"), rel(dev3, devices, dev2, "dev 2")})
		equal(f, "ancestors", got[[]platform.Relative](f)(f.ParentsOf(f.Context(), acme, []platform.ID{dev2, dev3}, true)),
			[]platform.Relative{rel(dev2, assets, sub, "Sub"), rel(dev2, assets, group, "Group"), rel(dev2, assets, dev3, "Dev%3_"), rel(dev3, devices, dev2, "dev 2")})
		for _, tenant := range []platform.TenantID{other, acme} {
			owned := got[bool](f)(f.BelowOwned(f.Context(), tenant, dev3, "device_2"))
			equal(f, "below what is owned", owned, tenant == acme)
			equal(f, "below what is not", got[bool](f)(f.BelowOwned(f.Context(), tenant, dev3, "nobody")), false)
			if tenant == other {
				equal(f, "of another tenant", len(got[[]platform.Relative](f)(f.ChildrenOf(f.Context(), other, []platform.ID{group}, 9)))+
					len(got[[]platform.Relative](f)(f.ParentsOf(f.Context(), other, []platform.ID{dev2}, true)))+
					len(got[map[platform.ID]map[platform.ChildKind]int64](f)(f.CountChildrenOf(f.Context(), other, []platform.ID{group}))), 0)
			}
		}
		equal(f, "none", len(got[[]platform.Relative](f)(f.ChildrenOf(f.Context(), acme, nil, 9)))+len(got[[]platform.Relative](f)(f.ParentsOf(f.Context(), acme, nil, true)))+
			len(got[map[platform.ID]map[platform.ChildKind]int64](f)(f.CountChildrenOf(f.Context(), acme, nil))), 0)
		many := make([]platform.ID, platform.MaxPageSize)
		for i := range many {
			many[i] = platform.ID(1_000_000 + i)
		}
		equal(f, "a page full", len(got[[]platform.Relative](f)(f.ChildrenOf(f.Context(), acme, many, 9)))+len(got[[]platform.Relative](f)(f.ParentsOf(f.Context(), acme, many, true))), 0)
	}},
}
