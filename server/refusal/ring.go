package refusal

import (
	"container/list"
	"slices"

	"mooring/server/platform"
)

// ring holds the newest refusals of the names that were refused last.
type ring struct {
	names, perName int
	order          *list.List // of *entry, the name refused last in front
	byName         map[name]*list.Element
}

type name struct {
	tenant platform.TenantID
	cn     string
}

type entry struct {
	name     name
	refusals []platform.Refusal // oldest first
}

func newRing(names, perName int) ring {
	return ring{names: names, perName: perName, order: list.New(), byName: map[name]*list.Element{}}
}

// add files f and returns how many refusals had to go for it.
func (r *ring) add(f platform.Refusal) (dropped int) {
	e, dropped := r.entry(name{f.Tenant, f.CN}, true)
	e.refusals = append(e.refusals, f)
	return dropped + r.trim(e)
}

// addOlder puts back refusals, newest first, that are older than all others of
// their names. It takes no room from other names.
func (r *ring) addOlder(refusals []platform.Refusal) (dropped int) {
	for _, f := range refusals {
		e, _ := r.entry(name{f.Tenant, f.CN}, false)
		if e == nil || len(e.refusals) >= r.perName {
			dropped++
			continue
		}
		e.refusals = slices.Insert(e.refusals, 0, f)
	}
	return dropped
}

// entry finds or makes the entry of n. Without force a full ring has no room
// for a new name, and a name that is made is the first to go.
func (r *ring) entry(n name, force bool) (e *entry, dropped int) {
	if el, ok := r.byName[n]; ok {
		if force {
			r.order.MoveToFront(el)
		}
		return el.Value.(*entry), 0
	}
	if len(r.byName) >= r.names {
		if !force {
			return nil, 0
		}
		last := r.order.Back()
		gone := r.order.Remove(last).(*entry)
		delete(r.byName, gone.name)
		dropped = len(gone.refusals)
	}
	e = &entry{name: n}
	if force {
		r.byName[n] = r.order.PushFront(e)
	} else {
		r.byName[n] = r.order.PushBack(e)
	}
	return e, dropped
}

func (r *ring) trim(e *entry) (dropped int) {
	if over := len(e.refusals) - r.perName; over > 0 {
		e.refusals = slices.Delete(e.refusals, 0, over)
		return over
	}
	return 0
}

// take empties the ring and returns its contents, newest first.
func (r *ring) take() []platform.Refusal {
	all := r.all(func(name) bool { return true })
	*r = newRing(r.names, r.perName)
	return all
}

// all returns the refusals whose name is wanted, newest first.
func (r *ring) all(wanted func(name) bool) []platform.Refusal {
	var all []platform.Refusal
	for el := r.order.Front(); el != nil; el = el.Next() {
		if e := el.Value.(*entry); wanted(e.name) {
			for _, f := range slices.Backward(e.refusals) {
				all = append(all, f)
			}
		}
	}
	newestFirst(all)
	return all
}

func newestFirst(refusals []platform.Refusal) {
	slices.SortStableFunc(refusals, func(a, b platform.Refusal) int { return b.At.Compare(a.At) })
}
