package sqlstore

import (
	"context"
	"hash/fnv"
	"strconv"
	"strings"

	"mooring/internal/problem"
	"mooring/server/platform"
)

var _ platform.Nodes = (*Store)(nil)

// nodeLocks is the first number of the advisory locks of nodes, the second is the
// hash of the node. PostgreSQL lets go of a lock when its connection ends, which the
// kernel does for a process that was killed.
const nodeLocks = 723542190

func nodeLock(node string) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(node)) // a hash takes all
	return int32(h.Sum32())
}

// lostAfter has PostgreSQL notice within some ten seconds that a whole machine is
// gone, which closes no connection.
var lostAfter = []string{"SET tcp_keepalives_idle = 4", "SET tcp_keepalives_interval = 2", "SET tcp_keepalives_count = 3"}

// HoldNode implements platform.Nodes over a connection of its own.
func (s *Store) HoldNode(ctx context.Context, node string, held func()) error {
	if s.listen == nil {
		return problem.New(problem.NotFound, "the database is this node's alone", nil)
	}
	c, err := s.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	for _, sql := range lostAfter {
		if _, err := c.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if _, err := c.Exec(ctx, "SELECT pg_advisory_lock($1, $2)", int32(nodeLocks), nodeLock(node)); err != nil {
		return err
	}
	held()
	_, err = c.WaitForNotification(ctx) // nothing is listened for: it ends with the connection
	return err
}

// LiveNodes implements platform.Nodes.
func (s *Store) LiveNodes(ctx context.Context, nodes []string) ([]string, error) {
	if s.listen == nil {
		return nil, problem.New(problem.NotFound, "the database is this node's alone", nil)
	}
	held, err := read1(ctx, s.reads, func(tx *session) ([]string, error) {
		return all(tx, (*row).text, `SELECT CAST(l.objid AS TEXT) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
			WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database() AND CAST(l.classid AS TEXT) = $1 AND l.objsubid = 2`,
			strconv.Itoa(nodeLocks))
	})
	all := " " + strings.Join(held, " ") + " "
	var live []string
	for _, node := range nodes {
		if strings.Contains(all, " "+strconv.FormatUint(uint64(uint32(nodeLock(node))), 10)+" ") {
			live = append(live, node)
		}
	}
	return live, err
}
