package operation

import (
	"cmp"
	"context"
	"slices"

	"mooring/server/platform"
)

// Bounds of the search for an agent; ours. thin-edge.io has three levels.
const (
	maxLevels    = 16
	maxAncestors = 64
)

// above are the hierarchies in which a device or service has its parents.
var above = []platform.ChildKind{platform.ChildDevices, platform.ChildAdditions}

// agentOf finds the device over whose connection operations for object travel:
// the nearest one that is an agent, beginning with object itself (mqtt.md §5.1).
// Without any it is the topmost ancestor, whose connection a gateway may well use
// though nobody has marked it. Of several at one level the oldest counts.
func (s *Service) agentOf(ctx context.Context, tenant platform.TenantID, object platform.ManagedObject) (platform.ID, error) {
	level, top := []platform.ManagedObject{object}, object.ID
	seen := map[platform.ID]bool{object.ID: true}
	for range maxLevels {
		slices.SortFunc(level, func(a, b platform.ManagedObject) int { return cmp.Compare(a.ID, b.ID) })
		for _, o := range level {
			if _, ok := o.Fragments[platform.FragmentAgent]; ok {
				return o.ID, nil
			}
		}
		top = level[0].ID
		next, err := s.parentsOf(ctx, tenant, level, seen)
		if err != nil {
			return 0, err
		}
		if level = next; len(level) == 0 || len(seen) > maxAncestors {
			break
		}
	}
	return top, nil
}

// parentsOf lists the parents of a level that were not seen yet.
func (s *Service) parentsOf(ctx context.Context, tenant platform.TenantID, level []platform.ManagedObject, seen map[platform.ID]bool) ([]platform.ManagedObject, error) {
	var next []platform.ManagedObject
	for _, child := range level {
		for _, kind := range above {
			parents, err := s.Objects.Parents(ctx, tenant, child.ID, kind)
			if err != nil {
				return nil, err
			}
			for _, p := range parents {
				if !seen[p.ID] {
					seen[p.ID] = true
					next = append(next, p)
				}
			}
		}
	}
	return next, nil
}
