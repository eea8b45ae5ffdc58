package sqlstore

import (
	"context"

	"mooring/internal/turn"
	"mooring/server/platform"
)

// idBlockSize is how many IDs a node reserves at once (design §3a). What it
// has not used when it stops is never used.
const idBlockSize = 1000

// idBlock is what is left of the reserved IDs.
type idBlock struct {
	turn      turn.Turn
	next, end int64 // next to hand out, first one beyond
}

// NewID implements platform.IDs.
func (s *Store) NewID(ctx context.Context) (platform.ID, error) {
	if err := s.ids.turn.Take(ctx); err != nil {
		return 0, err
	}
	defer s.ids.turn.Give()
	if s.ids.next == s.ids.end {
		err := s.identity.do(ctx, func(tx *session) error {
			end, err := one(tx, "ID sequence", (*row).int, "UPDATE id_sequence SET next = next + $1 RETURNING next", idBlockSize)
			if err == nil {
				s.ids.next, s.ids.end = end-idBlockSize, end
			}
			return err
		})
		if err != nil {
			s.ids.next, s.ids.end = 0, 0 // the block may have been rolled back
			return 0, err
		}
	}
	id := platform.ID(s.ids.next)
	s.ids.next++
	return id, nil
}
