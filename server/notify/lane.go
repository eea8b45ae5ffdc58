package notify

import (
	"context"
	"sync"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Notices of one tenant take one lane, in which they keep their order. A lane
// has a goroutine while it has something to do.
const (
	lanes       = 4
	maxWaiting  = 50_000 // posts that wait in one lane
	maxTogether = 256    // posts that are stored in one transaction
)

type post struct {
	notices []platform.Notice
	done    func(error)
	remote  bool // another node has stored what it had to
}

type lane struct {
	s       *Service
	mu      sync.Mutex // guards waiting and running
	waiting []post
	running bool
}

// Post implements platform.Notices.
func (s *Service) Post(notices []platform.Notice, done func(error)) {
	if len(notices) == 0 || !s.Wanted(notices[0].Tenant) {
		done(nil)
		return
	}
	s.stats.posted.Add(int64(len(notices)))
	s.lanes[laneOf(notices[0].Tenant)].add(post{notices: notices, done: done})
}

func (l *lane) add(p post) {
	l.mu.Lock()
	if len(l.waiting) >= maxWaiting {
		l.mu.Unlock()
		p.done(problem.New(problem.Unavailable, "Too much waits for those who listen.", nil))
		return
	}
	l.waiting = append(l.waiting, p)
	start := !l.running
	l.running = true
	l.mu.Unlock()
	if start {
		go l.run()
	}
}

func laneOf(tenant platform.TenantID) int {
	sum := uint32(2166136261) // FNV-1a
	for i := range len(tenant) {
		sum = (sum ^ uint32(tenant[i])) * 16777619
	}
	return int(sum % lanes)
}

func (l *lane) run() {
	for {
		l.mu.Lock()
		batch := l.waiting[:min(len(l.waiting), maxTogether)]
		if len(batch) == 0 {
			l.waiting, l.running = nil, false
			l.mu.Unlock()
			return
		}
		l.waiting = l.waiting[len(batch):]
		l.mu.Unlock()
		l.carryOut(batch)
	}
}

// carryOut passes on posts, stores what has to be kept, and answers.
func (l *lane) carryOut(batch []post) {
	queues := map[platform.TenantID]*platform.AppendNotifications{}
	for _, p := range batch {
		for i := range p.notices {
			l.s.pass(&p.notices[i], p.remote, queues)
		}
	}
	failed := map[platform.TenantID]error{}
	for id, cmd := range queues {
		dropped, err := l.s.Store.AppendNotifications(context.Background(), *cmd)
		if err != nil {
			l.s.Log.Error("cannot store notifications", "tenant", id, "messages", len(cmd.Messages), "err", err)
			failed[id] = problem.New(problem.Unavailable, "Those who listen could not be told.", err)
			continue
		}
		l.s.stats.stored.Add(int64(len(cmd.Messages)))
		l.s.overQuota(id, dropped)
		l.s.wake(cmd)
	}
	for _, p := range batch {
		p.done(failed[p.notices[0].Tenant])
	}
	l.s.passOn(batch)
}

// wake tells the connected readers that something was stored.
func (s *Service) wake(cmd *platform.AppendNotifications) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tenants[cmd.Tenant]
	if t == nil {
		return
	}
	told := map[string]bool{}
	for i := range cmd.Messages {
		name := cmd.Messages[i].Topic
		topic := t.topics[platform.NotificationTopic{Name: name}]
		if told[name] || topic == nil {
			continue
		}
		told[name] = true
		for _, r := range topic.readers {
			r.more()
		}
	}
}

// familyWithin bounds the look-up of ancestors.
const familyWithin = 5 * time.Second
