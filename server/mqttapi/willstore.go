package mqttapi

import (
	"context"
	"encoding/json"
	"time"

	"mooring/server/platform"
)

// Wills keeps the wills of live sessions beyond the life of the server; Stage of
// Telemetry puts one there and Batch.Release takes it out.
type Wills interface {
	WillOwners(ctx context.Context) ([]string, error)
	Wills(ctx context.Context, owner string) ([]platform.StagedPublish, error)
	ClaimWill(ctx context.Context, p platform.StagedPublish, owner string, at time.Time) (bool, error)
}

const (
	// willsAtOnce is how many wills of a dead server are carried out at once, so
	// that they share commits; ours.
	willsAtOnce = 64
)

// keptWill is a will as it is stored: what it takes to carry it out without its
// session.
type keptWill struct {
	Topic    string              `json:"topic"`
	Payload  []byte              `json:"payload"`
	User     string              `json:"user"`
	IsDevice bool                `json:"isDevice,omitempty"`
	Roles    []platform.Role     `json:"roles,omitempty"`
	Method   platform.AuthMethod `json:"method"`
	Template string              `json:"template,omitempty"`
	Address  string              `json:"address,omitempty"`
}

// keepWill makes the will durable before the client is told that it is connected.
// A store that cannot write keeps no device out: the will then dies with the server.
// On several servers every session has such a row, so that it is known which devices
// a server had when it died.
func (s *session) keepWill(ctx context.Context) {
	if s.server.cfg.Wills == nil || s.place.bootstrap || len(s.will.payload) == 0 && s.server.cfg.Alone {
		return
	}
	if !s.server.cfg.Alone {
		s.takeOverElsewhere(ctx)
	}
	payload, _ := json.Marshal(keptWill{Topic: s.will.topic, Payload: s.will.payload, User: s.principal.User, IsDevice: s.principal.IsDevice(),
		Roles: s.principal.Roles, Method: s.principal.Method, Template: s.template, Address: s.conn.address}) // texts and bytes marshal
	key := s.stagedKey(platform.WillPacketID)
	store, done := s.server.cfg.Telemetry, make(chan error, 1)
	store.Submit(platform.Batch{Tenant: key.Tenant, Release: &key}, func(error) {}) // what an earlier connection left
	store.Stage(platform.StagedPublish{StagedKey: key, Topic: s.server.owner, Payload: payload, At: platform.Millis(time.Now())}, func(err error) { done <- err })
	select {
	case err := <-done:
		if err == nil {
			s.will.kept = true
			return
		}
		s.server.log.Error("will not kept: it ends with the server", "tenant", s.place.tenant, "external_id", s.place.device, "err", err)
	case <-ctx.Done():
		s.will.kept = true // nobody knows
	}
}

// CarryOutWills carries out the wills of sessions whose server is gone, because it
// was killed. It is called before devices may connect; wills that cannot be stored
// now stay for the next start. Of several servers none knows yet who is gone: see
// KeepWills.
func (s *Server) CarryOutWills(ctx context.Context) error {
	if s.cfg.Wills == nil || !s.cfg.Alone {
		return nil
	}
	owners, err := s.cfg.Wills.WillOwners(ctx)
	for _, owner := range owners {
		if owner != s.owner && err == nil {
			err = s.carryOutWillsOf(ctx, owner)
		}
	}
	return err
}

// carryOutWillsOf carries out the wills of a server that is dead.
func (s *Server) carryOutWillsOf(ctx context.Context, owner string) error {
	for {
		list, err := s.cfg.Wills.Wills(ctx, owner)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := s.carryOutAll(ctx, list); err != nil {
			return err
		}
	}
}

// carryOutAll claims wills and carries them out, some at once.
func (s *Server) carryOutAll(ctx context.Context, list []platform.StagedPublish) error {
	places := make(chan struct{}, willsAtOnce)
	var failed error
	for _, p := range list {
		mine, err := s.cfg.Wills.ClaimWill(ctx, p, s.owner, platform.Millis(time.Now()))
		if err != nil {
			failed = err
			break
		}
		if !mine {
			continue
		}
		places <- struct{}{}
		s.carryOutOne(p, func(err error) {
			if err != nil {
				s.log.Error("will of a server that died was not stored", "tenant", p.Tenant, "external_id", p.Device, "err", err)
			}
			<-places
		})
	}
	for range willsAtOnce {
		places <- struct{}{} // until all are done
	}
	return failed
}

// carryOutOne carries out a will in the name of its session, which is nobody's any
// more: what it would deliver goes nowhere.
func (s *Server) carryOutOne(p platform.StagedPublish, complete func(error)) {
	var w keptWill
	if err := json.Unmarshal(p.Payload, &w); err != nil {
		s.cfg.Telemetry.Submit(platform.Batch{Tenant: p.Tenant, Release: &p.StagedKey}, complete)
		return
	}
	principal := platform.Principal{Tenant: p.Tenant, User: w.User, Roles: w.Roles, Method: w.Method}
	if w.IsDevice {
		principal.Device = p.Device
	}
	sess := &session{
		server: s, conn: &conn{server: s, door: "will", name: p.Device, address: w.Address},
		place: place{tenant: p.Tenant, device: p.Device}, principal: principal, template: w.Template, begun: time.Now(),
		closing: make(chan struct{}), done: make(chan struct{}), window: make(chan struct{}, 1),
		rate: s.limits.Rate, burst: s.limits.Burst, gone: true,
	}
	if !s.cfg.Alone && s.sessions.get(sess.place) == nil {
		s.cfg.Presence.Online(p.Tenant, p.Device, false)
	}
	if len(w.Payload) == 0 { // it had none: the row told of the session
		sess.applied(inbound{release: &p.StagedKey}, nil, complete)
		return
	}
	s.stats.wills.Add(1)
	sess.apply(inbound{topic: w.Topic, payload: w.Payload, release: &p.StagedKey}, complete)
}
