package sqlstore

import (
	"context"

	"mooring/internal/problem"
	"mooring/server/platform"
)

var _ platform.Broadcasts = (*Store)(nil)

// noticeChannel is the channel of PostgreSQL on which nodes tell each other what
// nobody has to be told for sure.
const noticeChannel = "mooring_notices"

// Broadcast implements platform.Broadcasts.
func (s *Store) Broadcast(ctx context.Context, text string) error {
	if s.listen == nil {
		return problem.New(problem.NotFound, "the database is this node's alone", nil)
	}
	if len(text) > platform.MaxBroadcast {
		return invalid("a broadcast is too long")
	}
	return s.telemetry.do(ctx, func(tx *session) error {
		return tx.each(func(*row) error { return nil }, "SELECT CAST(pg_notify('"+noticeChannel+"', $1) AS TEXT)", text)
	})
}

// FollowBroadcasts implements platform.Broadcasts over a connection of its own.
func (s *Store) FollowBroadcasts(ctx context.Context, ready func(), hear func(text string)) error {
	if s.listen == nil {
		return problem.New(problem.NotFound, "the database is this node's alone", nil)
	}
	c, err := s.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	if _, err := c.Exec(ctx, "LISTEN "+noticeChannel); err != nil {
		return err
	}
	ready()
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		hear(n.Payload)
	}
}
