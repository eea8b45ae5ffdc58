package mqttservice

import "sync/atomic"

// Stats are counters since the start, but for Connections and Queued, which are now.
type Stats struct {
	Connections  int64 // clients that are connected
	Queued       int64 // bytes that wait to be written
	Accepted     int64
	Refused      int64
	TurnedAway   int64 // closed because too many were open or in their handshake
	Takeovers    int64
	Kicked       int64
	Publishes    int64 // received
	Rejected     int64 // publishes and subscriptions that were not carried out
	Delivered    int64 // messages queued for clients
	Dropped      int64 // of QoS 0, because a client does not read
	Overflows    int64 // clients closed because they do not read
	TooFast      int64 // clients closed because they outran their rate
	TooLarge     int64 // clients closed for a packet above the limit
	Malformed    int64 // clients closed for a packet that breaks the protocol
	Unstored     int64 // publishes that could not be stored and were not acknowledged
	KeepAliveOut int64 // clients closed because they were silent
}

// counters are Stats while they move.
type counters struct {
	connections, accepted, refused, turnedAway, takeovers, kicked, publishes, rejected  atomic.Int64
	delivered, dropped, overflows, tooFast, tooLarge, malformed, unstored, keepAliveOut atomic.Int64
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	c := &s.stats
	return Stats{
		Connections: c.connections.Load(), Queued: s.queued.Load(), Accepted: c.accepted.Load(), Refused: c.refused.Load(),
		TurnedAway: c.turnedAway.Load(), Takeovers: c.takeovers.Load(), Kicked: c.kicked.Load(),
		Publishes: c.publishes.Load(), Rejected: c.rejected.Load(), Delivered: c.delivered.Load(), Dropped: c.dropped.Load(),
		Overflows: c.overflows.Load(), TooFast: c.tooFast.Load(), TooLarge: c.tooLarge.Load(),
		Malformed: c.malformed.Load(), Unstored: c.unstored.Load(), KeepAliveOut: c.keepAliveOut.Load(),
	}
}
