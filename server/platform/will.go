package platform

import (
	"context"
	"time"
)

// A will is kept while its session lives, so that it is carried out even if the
// server dies: as a staged publish of packet ID 0, which no QoS 2 publish has. Its
// Topic names the owner, the server process that has the session; its Payload is
// the front end's. Batch.Release forgets it in the transaction that carries it out.
const WillPacketID = 0

// MaxWills is how many Wills returns at most.
const MaxWills = 1_000

// Wills finds the wills of sessions whose server is gone.
type Wills interface {
	// WillOwners lists who owns wills.
	WillOwners(ctx context.Context) ([]string, error)
	// Wills lists those of an owner, in the order of tenant and device.
	Wills(ctx context.Context, owner string) ([]StagedPublish, error)
	// ClaimWill makes the will owner's at the time at, if it still is that of p. Of
	// two servers that find the same will one gets it.
	ClaimWill(ctx context.Context, p StagedPublish, owner string, at time.Time) (bool, error)
}

// Nodes is the ability of a store that several nodes share to tell which of them
// live.
type Nodes interface {
	// HoldNode says that a node lives: it calls held when that can be seen, and holds
	// it until ctx ends, the process dies or the database is lost, which is the error.
	// problem.NotFound if there are no others.
	HoldNode(ctx context.Context, node string, held func()) error
	// LiveNodes returns those of nodes that are held.
	LiveNodes(ctx context.Context, nodes []string) ([]string, error)
}
