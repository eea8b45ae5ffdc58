package mqttapi

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// decision is what came of a CONNECT.
type decision struct {
	reason    platform.Reason
	code      byte // CONNACK
	detail    string
	principal platform.Principal
	verdict   platform.Verdict // zero without certificate
	id        deviceid.ClientID
	claimed   string // the name to file a refusal under
}

func (d decision) refuse(r platform.Reason, detail string) decision {
	d.reason, d.code, d.detail = r, connCode(r), detail
	return d
}

// notAuthorized is refuse with code 5 whatever the reason's own code.
func (d decision) notAuthorized(r platform.Reason, detail string) decision {
	d = d.refuse(r, detail)
	d.code = connNotAuthorized
	return d
}

// admitted takes over what the authenticator said.
func (d decision) admitted(p platform.Principal, reason platform.Reason, err error) decision {
	switch {
	case err != nil:
		return d.refuse(platform.ReasonInternal, detail(err))
	case reason != platform.Accepted:
		return d.refuse(reason, "")
	case p.Tenant == "":
		return d.refuse(platform.ReasonInternal, "nobody was authenticated")
	}
	d.principal = p
	return d
}

// connect decides on a CONNECT, before mochi has looked at it: mochi answers an
// empty password, an empty will and MQTT 5 in ways the contract does not know. If
// it returns false the refusal has been sent. Otherwise pk is left so that mochi
// accepts it and keeps nothing.
func (s *Server) connect(c *conn, pk *packets.Packet) bool {
	ctx, cancel := context.WithDeadline(s.base, c.handshakeEnd)
	defer cancel()
	if knownProtocol(pk) && !wellFormed(pk) {
		s.log.Debug("malformed CONNECT", "door", c.door, "address", c.address)
		return false
	}
	judgements := s.judgements.Load()
	d := s.decide(ctx, c, pk)
	if d.reason != platform.Accepted {
		s.refused(c, d)
		return false
	}
	sess := newSession(s, c, d, pk)
	sess.ownRate(ctx)
	if !s.takePlace(ctx, sess) {
		// A newer connection of the device has come, or the old one does not end.
		s.stats.refused[connUnavailable].Add(1)
		c.refuse(connUnavailable)
		return false
	}
	if sess.principal.IsDevice() {
		s.handed.forget(sess.asks()) // its password has arrived
	}
	sess.keepWill(ctx)
	sess.establish()
	if s.judgements.Load() != judgements {
		// Trust has changed since, and who was told to leave was not there yet.
		if d := s.decide(ctx, c, pk); d.reason != platform.Accepted {
			sess.abandon()
			s.refused(c, d)
			return false
		}
	}
	// mochi's idea of the session: a name of its own, nothing to keep, no will.
	pk.Connect.ClientIdentifier = strconv.FormatUint(sess.epoch, 36)
	pk.Connect.Clean = true
	pk.Connect.WillFlag, pk.Connect.WillRetain, pk.Connect.WillQos = false, false, 0
	pk.Connect.WillTopic, pk.Connect.WillPayload = "", nil
	pk.Connect.UsernameFlag, pk.Connect.Username = false, nil
	pk.Connect.PasswordFlag, pk.Connect.Password = false, nil
	sess.tellOnline(true)
	c.accept(pk.Connect.Keepalive)
	s.stats.accepted.Add(1)
	s.stats.connections.Add(1)
	s.log.Debug("connected", "tenant", sess.place.tenant, "external_id", sess.place.device, "door", c.door, "address", c.address, "method", d.principal.Method)
	return true
}

// takePlace makes sess the session of its device. The one before is closed, and
// what it received and its will are carried out before the new one is answered.
func (s *Server) takePlace(ctx context.Context, sess *session) bool {
	sess.conn.session.Store(sess)
	old := s.sessions.put(sess)
	if old != nil {
		s.stats.takeovers.Add(1)
		old.close()
		select {
		case <-old.done:
		case <-ctx.Done():
			return false
		}
	}
	return s.sessions.current(sess) && !s.isStopping()
}

// decide checks protocol, client ID and credentials, in this order.
func (s *Server) decide(ctx context.Context, c *conn, pk *packets.Packet) decision {
	d := decision{claimed: claim(pk.Connect.ClientIdentifier)}
	if !knownProtocol(pk) {
		return d.refuse(platform.ReasonProtocol, "level "+strconv.Itoa(int(pk.ProtocolVersion)))
	}
	var err error
	d.id, err = deviceid.ParseClientID(pk.Connect.ClientIdentifier)
	if err != nil {
		return d.refuse(platform.ReasonBadClientID, detail(err))
	}
	d.claimed = d.id.Device
	if c.tls != nil {
		if state := c.tls.ConnectionState(); len(state.PeerCertificates) > 0 {
			d.verdict = s.cfg.Auth.VerdictOf(state)
			refused := s.byCertificate(ctx, c, d)
			if refused.reason != platform.Accepted && s.passwordBeside(ctx, pk) {
				return oldProtocol(s.byPassword(ctx, c, decision{id: d.id, claimed: d.claimed}, pk), pk)
			}
			return oldProtocol(refused, pk)
		}
	}
	return oldProtocol(s.byPassword(ctx, c, d, pk), pk)
}

// claim cuts what a stranger calls itself to what a name can have.
func claim(id string) string {
	if len(id) > deviceid.MaxIDBytes {
		return strings.ToValidUTF8(id[:deviceid.MaxIDBytes], "")
	}
	return id
}

// knownProtocol accepts MQTT 3.1 and 3.1.1 (mqtt.md §1.3).
func knownProtocol(pk *packets.Packet) bool {
	switch string(pk.Connect.ProtocolName) {
	case "MQTT":
		return pk.ProtocolVersion == 4
	case "MQIsdp":
		return pk.ProtocolVersion == 3
	}
	return false
}

// wellFormed reports whether the flags of a CONNECT agree with each other. One that
// is malformed gets no CONNACK (MQTT-3.1.2-3, -11 to -15, -22).
func wellFormed(pk *packets.Packet) bool {
	c := &pk.Connect
	switch {
	case pk.ReservedBit != 0 || c.WillQos > 2:
		return false
	case !c.WillFlag && (c.WillQos != 0 || c.WillRetain):
		return false
	}
	return c.UsernameFlag || !c.PasswordFlag
}

// oldProtocol refuses long client IDs on MQTT 3.1.
func oldProtocol(d decision, pk *packets.Packet) decision {
	if d.reason == platform.Accepted && pk.ProtocolVersion == 3 && len(pk.Connect.ClientIdentifier) > mqtt31ClientID {
		return d.notAuthorized(platform.ReasonBadClientID, "longer than 23 characters on MQTT 3.1")
	}
	return d
}

// byCertificate: a certificate that was sent decides alone, whatever user and
// password come with it.
func (s *Server) byCertificate(ctx context.Context, c *conn, d decision) decision {
	v := d.verdict
	if v.Device != "" {
		d.claimed = v.Device
	}
	if v.Scope != platform.Full {
		if v.Reason == platform.Accepted {
			v.Reason = platform.ReasonInternal
		}
		return d.notAuthorized(v.Reason, v.Detail)
	}
	if v.Device != d.id.Device {
		return d.refuse(platform.ReasonNameMismatch, "client ID "+strconv.Quote(d.id.Device))
	}
	d = d.admitted(s.cfg.Auth.AdmitCertificate(ctx, v, c.address))
	if d.code == connBadCredentials { // never with certificates (mqtt.md §1.8)
		d.code = connNotAuthorized
	}
	return s.withName(ctx, d)
}

// withName refuses a device whose name is that of an object of another device: with
// it, either would act for the other (mqtt.md §1.8). What people made for a device
// is the device's.
func (s *Server) withName(ctx context.Context, d decision) decision {
	p := d.principal
	if d.reason != platform.Accepted || !p.IsDevice() {
		return d
	}
	id, err := s.cfg.Devices.Device(ctx, p.Tenant, p.Device)
	if problem.KindOf(err) == problem.NotFound {
		return d
	}
	owner := ""
	if err == nil {
		owner, err = s.cfg.Devices.Owner(ctx, p.Tenant, id)
	}
	if err != nil && problem.KindOf(err) != problem.NotFound {
		return d.refuse(platform.ReasonInternal, detail(err))
	}
	if _, device := deviceid.DeviceOfUser(owner); device && owner != p.User {
		return d.notAuthorized(platform.ReasonNameTaken, "owner "+strconv.Quote(owner))
	}
	return d
}

// passwordBeside reports whether the tenant that the user name names lets a
// password decide when a certificate is refused (mqtt.md §1.2 has it the other way).
func (s *Server) passwordBeside(ctx context.Context, pk *packets.Packet) bool {
	tenant, _, err := deviceid.ParseTenantUser(string(pk.Connect.Username))
	if err != nil || len(pk.Connect.Password) == 0 {
		return false
	}
	value, _, err := s.cfg.Options.Option(ctx, platform.TenantID(tenant), platform.OptionPasswordBesideCertificate)
	return err == nil && value == "true"
}

// byPassword: code 4 is for wrong credentials, an empty password is 5.
func (s *Server) byPassword(ctx context.Context, c *conn, d decision, pk *packets.Packet) decision {
	if !pk.Connect.UsernameFlag && !pk.Connect.PasswordFlag {
		if s.cfg.OneWay && c.tls != nil {
			return d.refuse(platform.ReasonOneWay, "neither user nor password")
		}
		return d.refuse(platform.ReasonNoCertificate, "neither certificate nor password")
	}
	if len(pk.Connect.Password) == 0 {
		return d.notAuthorized(platform.ReasonBadCredentials, "the password is empty")
	}
	tenant, user, err := deviceid.ParseTenantUser(string(pk.Connect.Username))
	if err != nil {
		return d.refuse(platform.ReasonBadCredentials, detail(err))
	}
	d = d.admitted(s.cfg.Auth.AdmitPassword(ctx, platform.TenantID(tenant), user, secret.New(string(pk.Connect.Password)), c.address))
	if d.reason == platform.Accepted && !mayConnectAs(d.principal, d.id.Device) {
		return d.refuse(platform.ReasonNameMismatch, "user "+strconv.Quote(user))
	}
	return s.withName(ctx, d)
}

// mayConnectAs: a device user is one device, a bootstrap session any; a person needs the right to create
// or change devices.
func mayConnectAs(p platform.Principal, device string) bool {
	if p.IsDevice() {
		return p.Device == device
	}
	if isBootstrap(p) {
		return true // a device that has no user yet
	}
	return p.HasAny(platform.RoleInventoryAdmin, platform.RoleInventoryCreate)
}

// refused tells the peer, the log and the record of refusals.
func (s *Server) refused(c *conn, d decision) {
	s.stats.refused[d.code].Add(1)
	tenant := d.verdict.Tenant
	if tenant == "" {
		tenant = platform.Management
	}
	s.log.Info("connect refused", "tenant", tenant, "external_id", d.claimed, "door", c.door, "address", c.address,
		"code", d.code, "reason", d.reason, "detail", d.detail, "serial", d.verdict.Leaf.Serial)
	s.cfg.Refusals.Record(platform.Refusal{
		Tenant: tenant, CN: d.claimed, At: time.Now(), Door: c.door, Address: c.address,
		Reason: d.reason, Detail: d.detail, Leaf: d.verdict.Leaf,
	})
	c.refuse(d.code)
}
