package binary

import (
	"context"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// sweepAfter is how old bytes are before anybody asks whether they are needed:
// longer than an upload can take, because the object comes after its bytes.
const sweepAfter = 6 * time.Hour

// Needed tells whether an object that may have a binary is there.
type Needed func(ctx context.Context, tenant platform.TenantID, object platform.ID) (bool, error)

// Sweep removes uploads that were never finished, because a client or a node
// died, and bytes whose object is gone. It is for every now and then.
func (s *Service) Sweep(ctx context.Context, needed Needed) error {
	before := platform.Millis(s.Now().Add(-sweepAfter))
	for after := platform.ID(0); ; {
		list, err := s.Config.Store.Binaries(ctx, before, after)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, b := range list {
			if err := s.sweep(ctx, b, needed); err != nil {
				return err
			}
			after = b.Number
		}
	}
}

func (s *Service) sweep(ctx context.Context, b platform.StoredBinary, needed Needed) error {
	if !b.Complete {
		return s.Config.Store.AbortBinary(ctx, b.Tenant, b.Number)
	}
	keep, err := needed(ctx, b.Tenant, b.Object)
	if keep || err != nil {
		return err
	}
	err = s.Delete(ctx, b.Tenant, b.Object)
	if problem.KindOf(err) == problem.NotFound {
		return nil
	}
	return err
}
