package refusal

import (
	"context"
	"fmt"

	"mooring/server/platform"
)

// List returns a page of the tenant's refusals of a common name or address,
// newest first; of all names if cn is empty. Those that wait to be written are
// part of it.
func (r *Recorder) List(ctx context.Context, tenant platform.TenantID, cn string, page platform.Page) (platform.List[platform.Refusal], error) {
	waiting := r.unwritten(tenant, cn)
	from := min(page.Offset(), len(waiting))
	head := waiting[from:min(page.Offset()+page.Size, len(waiting))]
	stored, err := r.stored(ctx, tenant, cn, window{from: max(page.Offset()-len(waiting), 0), count: page.Size - len(head)}, page.WithTotal)
	if err != nil {
		return platform.List[platform.Refusal]{}, err
	}
	items := append(append([]platform.Refusal{}, head...), withoutTwins(stored.Items, waiting)...)
	return platform.List[platform.Refusal]{
		Items: items,
		More:  stored.More || page.Offset()+len(head) < len(waiting),
		Total: stored.Total + int64(len(waiting)),
	}, nil
}

// unwritten returns what the store may not have yet, newest first.
func (r *Recorder) unwritten(tenant platform.TenantID, cn string) []platform.Refusal {
	wanted := func(n name) bool { return n.tenant == tenant && (cn == "" || n.cn == cn) }
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.waiting.all(wanted)
	for _, f := range r.inFlight {
		if wanted(name{f.Tenant, f.CN}) {
			all = append(all, f)
		}
	}
	newestFirst(all)
	return all
}

// window is a part of a list that need not be a page.
type window struct{ from, count int }

// stored reads a window from the store in at most two pages. With a window of
// none it reads one element, to know whether there are more.
func (r *Recorder) stored(ctx context.Context, tenant platform.TenantID, cn string, w window, withTotal bool) (platform.List[platform.Refusal], error) {
	size := max(w.count, 1)
	number := w.from/size + 1
	start := (number - 1) * size
	var all platform.List[platform.Refusal]
	for {
		part, err := r.cfg.Store.Refusals(ctx, tenant, cn, platform.Page{Number: number, Size: size, WithTotal: withTotal})
		if err != nil {
			return all, fmt.Errorf("read refusals: %w", err)
		}
		all.Items, all.More, all.Total = append(all.Items, part.Items...), part.More, part.Total
		if !part.More || start+len(all.Items)-w.from >= w.count {
			return w.of(all, start), nil
		}
		number++
	}
}

// of cuts the window out of all, whose first element is number start.
func (w window) of(all platform.List[platform.Refusal], start int) platform.List[platform.Refusal] {
	items := all.Items[min(w.from-start, len(all.Items)):]
	all.More = all.More || len(items) > w.count
	all.Items = items[:min(w.count, len(items))]
	return all
}

// withoutTwins drops what has been written while it was being read.
func withoutTwins(stored, waiting []platform.Refusal) []platform.Refusal {
	if len(waiting) == 0 {
		return stored
	}
	seen := make(map[platform.Refusal]bool, len(waiting))
	for _, f := range waiting {
		seen[f] = true
	}
	var kept []platform.Refusal
	for _, f := range stored {
		if !seen[f] {
			kept = append(kept, f)
		}
	}
	return kept
}
