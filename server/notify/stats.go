package notify

import (
	"sync/atomic"
	"time"

	"mooring/server/platform"
)

// stats are counted as they happen.
type stats struct {
	posted, heard, stored, sent, dropped, broadcasts atomic.Int64
	// complained is when a quota was last complained of, in seconds.
	complained atomic.Int64
}

// Stats are what a Service has done since its start.
type Stats struct {
	Posted     int64 // notices of tenants somebody of whom listens
	Heard      int64 // events for real-time listeners
	Stored     int64 // messages for persistent topics
	Sent       int64 // messages handed to consumers, repetitions included
	Dropped    int64 // messages that a quota, or a slow reader of a topic that keeps nothing, has cost
	Broadcasts int64 // to other nodes
	Consumers  int   // connected to this node, now
}

// Stats returns the counters.
func (s *Service) Stats() Stats {
	v := Stats{Posted: s.stats.posted.Load(), Heard: s.stats.heard.Load(), Stored: s.stats.stored.Load(), Sent: s.stats.sent.Load(),
		Dropped: s.stats.dropped.Load(), Broadcasts: s.stats.broadcasts.Load()}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range s.tenants {
		for _, topic := range t.topics {
			v.Consumers += len(topic.readers)
		}
	}
	return v
}

// complainEvery spaces the complaints about quotas.
const complainEvery = time.Minute

// overQuota counts what a quota has cost, and says so now and then.
func (s *Service) overQuota(tenant platform.TenantID, dropped int) {
	if dropped == 0 {
		return
	}
	s.stats.dropped.Add(int64(dropped))
	now, last := s.Now().Unix(), s.stats.complained.Load()
	if now-last >= int64(complainEvery.Seconds()) && s.stats.complained.CompareAndSwap(last, now) {
		s.Log.Warn("a consumer of notifications reads too slowly or is gone for good: the oldest messages are dropped", "tenant", tenant, "dropped", dropped)
	}
}
