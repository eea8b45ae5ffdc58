package mqttapi

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Several servers on one store. Each session has a row there that names its server
// (willstore.go). A server that takes a device over claims the row, carries out what
// the row owes, and tells the others; the wills of a server that died are carried
// out by whoever notices first.

const (
	// lookEvery is how often a server looks who is dead, and deadAfter for how long it
	// must have been: one that has lost its connection to the database has it again by
	// then. Ours.
	lookEvery = 3 * time.Second
	deadAfter = 10 * time.Second
	// holdAgain is how soon a server that is not seen to live tries again.
	holdAgain = time.Second
)

// connected is what a server tells the others of a device that has connected to it.
type connected struct {
	Node   string            `json:"node"`
	Epoch  uint64            `json:"epoch"`
	Tenant platform.TenantID `json:"tenant"`
	Device string            `json:"device"`
}

// KeepWills looks after the sessions of other servers on the same store, until ctx
// ends.
func (s *Server) KeepWills(ctx context.Context) {
	if s.cfg.Wills == nil || s.cfg.Alone || s.cfg.Nodes == nil {
		return
	}
	holding := make(chan struct{})
	go func() {
		defer close(holding)
		s.hold(ctx)
	}()
	defer func() { <-holding }()
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	missed := map[string]time.Time{} // owners that are not held, since when
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		if err := s.lookForDead(ctx, missed, time.Now()); err != nil && ctx.Err() == nil {
			s.log.Error("wills of other servers were not looked after", "err", err)
			clear(missed) // who cannot see does not judge
		}
	}
}

// hold shows that this server lives.
func (s *Server) hold(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.cfg.Nodes.HoldNode(ctx, s.owner, func() {})
		if ctx.Err() != nil {
			return
		}
		s.log.Warn("other servers do not see this one for now", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(holdAgain):
		}
	}
}

// lookForDead carries out the wills of servers that have been missed for deadAfter.
func (s *Server) lookForDead(ctx context.Context, missed map[string]time.Time, now time.Time) error {
	owners, err := s.cfg.Wills.WillOwners(ctx)
	if err != nil {
		return err
	}
	live, err := s.cfg.Nodes.LiveNodes(ctx, append(owners, s.owner))
	if err != nil {
		return err
	}
	if !slices.Contains(live, s.owner) { // the database has just come back
		clear(missed)
		return nil
	}
	for owner := range missed {
		if slices.Contains(live, owner) || !slices.Contains(owners, owner) {
			delete(missed, owner)
		}
	}
	for _, owner := range owners {
		since, known := missed[owner]
		switch {
		case slices.Contains(live, owner):
		case !known:
			missed[owner] = now
		case now.Sub(since) >= deadAfter:
			s.log.Info("a server is gone: its devices are disconnected", "node", owner)
			if err := s.carryOutWillsOf(ctx, owner); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeOverElsewhere ends what is left of the device's session on another server,
// dead or alive: its will is said before anything of the new one. Then the others
// are told.
func (s *session) takeOverElsewhere(ctx context.Context) {
	server, key := s.server, s.stagedKey(platform.WillPacketID)
	row, err := server.cfg.Telemetry.Staged(ctx, key)
	if err == nil && row.Topic != server.owner {
		var mine bool
		if mine, err = server.cfg.Wills.ClaimWill(ctx, row, server.owner, platform.Millis(time.Now())); mine {
			done := make(chan error, 1)
			server.carryOutOne(row, func(err error) { done <- err })
			select {
			case err = <-done:
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
	}
	if err != nil && problem.KindOf(err) != problem.NotFound {
		server.log.Error("session on another server not ended", "tenant", s.place.tenant, "external_id", s.place.device, "err", err)
	}
	if server.cfg.Tell == nil {
		return
	}
	text, _ := json.Marshal(connected{server.owner, s.epoch, s.place.tenant, s.place.device}) // texts and a number marshal
	if err := server.cfg.Tell(ctx, string(text)); err != nil {
		server.log.Warn("other servers are not told of a connection", "tenant", s.place.tenant, "external_id", s.place.device, "err", err)
	}
}

// Hear takes what a server told with Tell, this one included. All servers hear it in
// the same order, so that of several connections of one device the one that was told
// of last stays: a session ends if another is told of after itself.
func (s *Server) Hear(text string) {
	var c connected
	if json.Unmarshal([]byte(text), &c) != nil {
		return
	}
	sess := s.sessions.get(place{tenant: c.Tenant, device: c.Device})
	switch {
	case sess == nil:
	case c.Node == s.owner:
		if c.Epoch == sess.epoch {
			sess.told.Store(true)
		}
	case sess.told.Load():
		s.stats.takeovers.Add(1)
		sess.moved.Store(true)
		sess.close()
	}
}

// stillMine reports whether the will is this server's to carry out: it is not once
// another server has taken the device over.
func (s *session) stillMine(ctx context.Context) bool {
	if s.server.cfg.Alone {
		return true
	}
	p := platform.StagedPublish{StagedKey: *s.willKey(), Topic: s.server.owner}
	mine, err := s.server.cfg.Wills.ClaimWill(ctx, p, s.server.owner, platform.Millis(time.Now()))
	return mine || err != nil
}
