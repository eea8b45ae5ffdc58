package mqttapi

import "sync/atomic"

// Stats are counters since the start, but for Connections, which is now.
type Stats struct {
	Connections       int64    // sessions that are established
	Accepted          int64    // CONNECTs answered with 0
	Refused           [6]int64 // CONNECTs refused, by CONNACK code
	HandshakeFailures int64    // TLS or CONNECT did not come to an end
	TurnedAway        int64    // closed because too many were in their handshake
	Takeovers         int64
	Kicked            int64
	Publishes         int64
	Lines             int64
	LineErrors        int64
	Acknowledged      int64 // QoS 1 and 2 publishes whose data is durable
	CommitFailures    int64 // publishes that could not be stored: the connection was closed
	Stalled           int64 // connections closed because they stood still: window, bytes in flight or rate
	Wills             int64 // carried out, those of a server that died included
	TooFast           int64 // of these, for their rate
	Delayed           int64 // publishes that waited because their device was above its rate
	Delivered         int64
	Operations        int64 // sent to devices, once however many topics bring one
	Overflows         int64 // connections closed because they did not read
	DroppedErrors     int64 // lines on s/e given up for want of room
}

// counters are Stats while they move.
type counters struct {
	connections, accepted, handshakeFailures, turnedAway, takeovers, kicked atomic.Int64
	publishes, lines, lineErrors, acknowledged, commitFailures, stalled     atomic.Int64
	wills, tooFast, delayed                                                 atomic.Int64
	delivered, operations, overflows, droppedErrors                         atomic.Int64
	refused                                                                 [6]atomic.Int64
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	c := &s.stats
	st := Stats{
		Connections: c.connections.Load(), Accepted: c.accepted.Load(), HandshakeFailures: c.handshakeFailures.Load(),
		TurnedAway: c.turnedAway.Load(), Takeovers: c.takeovers.Load(), Kicked: c.kicked.Load(),
		Publishes: c.publishes.Load(), Lines: c.lines.Load(), LineErrors: c.lineErrors.Load(),
		Acknowledged: c.acknowledged.Load(), CommitFailures: c.commitFailures.Load(), Stalled: c.stalled.Load(),
		Wills: c.wills.Load(), TooFast: c.tooFast.Load(), Delayed: c.delayed.Load(),
		Delivered: c.delivered.Load(), Operations: c.operations.Load(), Overflows: c.overflows.Load(), DroppedErrors: c.droppedErrors.Load(),
	}
	for i := range st.Refused {
		st.Refused[i] = c.refused[i].Load()
	}
	return st
}
