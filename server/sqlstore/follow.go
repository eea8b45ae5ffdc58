package sqlstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"mooring/internal/problem"
	"mooring/server/platform"
)

var _ platform.ChangeNudges = (*Store)(nil)

// changeChannel is the channel of PostgreSQL on which a transaction that has
// changes says so (NOTIFY, PostgreSQL manual). It carries no payload: who
// listens reads the change log.
const changeChannel = "mooring_changes"

// FollowChanges implements platform.ChangeNudges over a connection of its own.
func (s *Store) FollowChanges(ctx context.Context, nudge func()) error {
	if s.listen == nil {
		return problem.New(problem.NotFound, "the database is this node's alone", nil)
	}
	c, err := s.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	if _, err := c.Exec(ctx, "LISTEN "+changeChannel); err != nil {
		return err
	}
	nudge() // for what came before
	for {
		if _, err := c.WaitForNotification(ctx); err != nil {
			return err
		}
		nudge()
	}
}

// listener opens connections for FollowChanges.
func listener(config *pgx.ConnConfig) func(context.Context) (*pgx.Conn, error) {
	return func(ctx context.Context) (*pgx.Conn, error) {
		c := config.Copy()
		// A node that is gone is noticed by the look at the log every few seconds.
		c.RuntimeParams["application_name"] = "mooring-changes"
		return pgx.ConnectConfig(ctx, c)
	}
}
