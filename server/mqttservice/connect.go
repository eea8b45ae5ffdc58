package mqttservice

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/internal/deviceid"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// decision is what came of a CONNECT.
type decision struct {
	reason    platform.Reason
	code      byte // of MQTT 5
	detail    string
	principal platform.Principal
	verdict   platform.Verdict // zero without certificate
	client    string           // client ID
	assigned  bool             // the ID was made here
}

func (d decision) refuse(r platform.Reason, code byte, detail string) decision {
	d.reason, d.code, d.detail = r, code, detail
	return d
}

// admitted takes over what the authenticator said.
func (d decision) admitted(p platform.Principal, reason platform.Reason, err error) decision {
	switch {
	case err != nil:
		return d.refuse(platform.ReasonInternal, codeUnavailable, "")
	case reason != platform.Accepted:
		return d.refuse(reason, codeOf(reason), "")
	case p.Tenant == "" || p.Has(platform.RoleDeviceBootstrap):
		return d.refuse(platform.ReasonBadCredentials, codeNotAuthorized, "not a user of a tenant")
	}
	d.principal = p
	return d
}

// connect reads the CONNECT and answers it. It returns nil if the connection is
// to end; the peer has been told then.
func (s *Server) connect(c *conn) (*session, error) {
	pk, err := c.read()
	if pk.FixedHeader.Type == packets.Connect && (pk.ProtocolVersion == 3 || pk.ProtocolVersion == 5) {
		c.version = pk.ProtocolVersion
	}
	if err != nil {
		s.unreadable(c, err)
		return nil, err
	}
	if pk.FixedHeader.Type != packets.Connect {
		return nil, errors.New("the first packet is no CONNECT")
	}
	ctx, cancel := context.WithDeadline(context.Background(), c.handshakeEnd)
	defer cancel()
	judgements := s.judgements.Load()
	d := s.decide(ctx, c, &pk)
	if d.reason != platform.Accepted {
		s.refused(c, d)
		return nil, errRefused
	}
	sess := newSession(ctx, s, c, d, &pk)
	if code, detail := sess.offered(&pk); code != codeSuccess {
		s.refused(c, d.refuse(platform.ReasonProtocol, code, detail))
		return nil, errRefused
	}
	if code, detail := s.takePlace(ctx, sess); code != codeSuccess {
		s.refused(c, d.refuse(platform.ReasonBadClientID, code, detail))
		return nil, errRefused
	}
	if s.judgements.Load() != judgements {
		// Trust has changed since, and who was told to leave was not there yet.
		if d := s.decide(ctx, c, &pk); d.reason != platform.Accepted {
			s.refused(c, d)
			return nil, errRefused
		}
	}
	present, err := sess.begin(ctx)
	if err != nil {
		s.log.Error("session not stored", "tenant", d.principal.Tenant, "external_id", d.client, "err", err)
		s.refused(c, d.refuse(platform.ReasonInternal, codeUnavailable, ""))
		return nil, errRefused
	}
	c.accept(pk.Connect.Keepalive)
	s.stats.accepted.Add(1)
	s.log.Debug("connected", "tenant", d.principal.Tenant, "client_id", d.client, "door", c.door, "address", c.address, "method", d.principal.Method)
	_, err = c.Write(c.encode(sess.acceptance(d, &pk, present)))
	sess.establish() // what waits for the client comes after the CONNACK
	return sess, err
}

// begin takes over the state of the client's session and makes durable what has to
// be: that there is one, and the will.
func (s *session) begin(ctx context.Context) (present bool, err error) {
	if !s.server.cfg.Alone {
		if err := s.sub.fetchState(ctx); err != nil {
			return false, err
		}
		if s.sub.user != s.principal.User && s.sub.kept && !mayReplace(s, s.sub) {
			return false, errNotTheirs
		}
	}
	present = s.sub.begin(s, time.Now())
	if !s.stored && s.will == nil && !s.sub.kept {
		return present, nil
	}
	if err = s.sub.saveAndWait(ctx, s.will); err != nil && !s.stored {
		// A store that cannot write keeps nobody out: the will ends with the server.
		s.sub.logged("will not stored")(err)
		err = nil
	}
	return present, err
}

var (
	errRefused   = errors.New("refused")
	errNotTheirs = errors.New("another user has this client ID")
)

// acceptance is the CONNACK: what MQTT 5 lets a server say of what it has not, or
// not as much of as was asked for.
func (s *session) acceptance(d decision, pk *packets.Packet, present bool) packets.Packet {
	expiry := uint32(s.expiry / time.Second)
	answer := packets.Packet{FixedHeader: header(packets.Connack), SessionPresent: present && s.conn.version > 3, Properties: packets.Properties{
		MaximumPacketSize: maxPacket, ReceiveMaximum: uint16(min(s.server.limits.Window, 65535)), TopicAliasMaximum: maxAliases,
		SessionExpiryInterval: expiry, SessionExpiryIntervalFlag: expiry != pk.Properties.SessionExpiryInterval,
	}}
	if p := &answer.Properties; s.restricted {
		p.TopicAliasMaximum = 0
		p.MaximumQos, p.MaximumQosFlag, p.RetainAvailableFlag = restrictedQoS, true, true
		p.WildcardSubAvailable, p.WildcardSubAvailableFlag, p.SubIDAvailableFlag, p.SharedSubAvailableFlag = 1, true, true, true
	}
	if d.assigned {
		answer.Properties.AssignedClientID = d.client
	}
	return answer
}

// decide checks protocol, client ID, flags and credentials, in this order.
func (s *Server) decide(ctx context.Context, c *conn, pk *packets.Packet) decision {
	d := decision{client: pk.Connect.ClientIdentifier}
	if code := pk.ConnectValidate(); !knownProtocol(pk) {
		return d.refuse(platform.ReasonProtocol, codeBadProtocol, "level "+strconv.Itoa(int(pk.ProtocolVersion)))
	} else if code.Code == codeProtocolError && pk.ReservedBit != 0 || pk.Connect.WillQos > 2 {
		return d.refuse(platform.ReasonProtocol, codeMalformed, "flags of the CONNECT")
	}
	if d.client == "" && (pk.ProtocolVersion == 5 || pk.ProtocolVersion == 4 && pk.Connect.Clean) {
		d.client, d.assigned = "auto-"+strings.ToLower(rand.Text()), true
	}
	if d.client == "" || len(d.client) > maxClientID || !validText(d.client) || pk.ProtocolVersion == 3 && len(d.client) > mqtt31ClientID {
		d.client = strings.ToValidUTF8(d.client[:min(len(d.client), maxClientID)], "")
		return d.refuse(platform.ReasonBadClientID, codeBadClientID, "1 to 128 bytes, on MQTT 3.1 at most 23")
	}
	if pk.Properties.AuthenticationMethod != "" {
		return d.refuse(platform.ReasonProtocol, codeBadMethod, "no enhanced authentication")
	}
	if pk.Connect.WillFlag {
		if code, detail := checkTopic(pk.Connect.WillTopic); code != codeSuccess {
			return d.refuse(platform.ReasonProtocol, code, detail)
		}
	}
	return s.authenticate(ctx, c, d, pk)
}

func knownProtocol(pk *packets.Packet) bool {
	switch string(pk.Connect.ProtocolName) {
	case "MQTT":
		return pk.ProtocolVersion == 4 || pk.ProtocolVersion == 5
	case "MQIsdp":
		return pk.ProtocolVersion == 3
	}
	return false
}

// offered refuses what a service as narrow as the vendor's does not have
// (mqtt.md §1.9).
func (s *session) offered(pk *packets.Packet) (code byte, detail string) {
	switch {
	case !s.restricted:
		return codeSuccess, ""
	case !pk.Connect.Clean:
		return codeImplementation, "clean session (clean start) must be 1"
	case pk.Connect.WillFlag && pk.Connect.WillRetain:
		return codeRetain, textRetain
	case pk.Connect.WillFlag && pk.Connect.WillQos > restrictedQoS:
		return codeQoS, textQoS2
	}
	s.expiry = 0 // whatever was asked
	return codeSuccess, ""
}

// authenticate lets a certificate decide if there is one, else a password.
func (s *Server) authenticate(ctx context.Context, c *conn, d decision, pk *packets.Packet) decision {
	if c.tls != nil {
		if state := c.tls.ConnectionState(); len(state.PeerCertificates) > 0 {
			d.verdict = s.cfg.Auth.VerdictOf(state)
			refused := s.byCertificate(ctx, c, d, pk)
			if refused.reason != platform.Accepted && s.passwordBeside(ctx, pk) {
				d.verdict = platform.Verdict{}
				return s.byPassword(ctx, c, d, pk)
			}
			return refused
		}
	}
	return s.byPassword(ctx, c, d, pk)
}

// byCertificate: the client ID is the common name, and a user name, if there is
// one, the tenant that trusts the certificate (mqtt.md §1.5).
func (s *Server) byCertificate(ctx context.Context, c *conn, d decision, pk *packets.Packet) decision {
	v := d.verdict
	if v.Scope != platform.Full {
		if v.Reason == platform.Accepted {
			v.Reason = platform.ReasonInternal
		}
		return d.refuse(v.Reason, codeNotAuthorized, v.Detail)
	}
	if user := string(pk.Connect.Username); user != "" && user != string(v.Tenant) {
		return d.refuse(platform.ReasonBadCredentials, codeNotAuthorized, "the user name is not the tenant that trusts the certificate")
	}
	if v.Device != d.client {
		return d.refuse(platform.ReasonNameMismatch, codeNotAuthorized, "client ID "+strconv.Quote(d.client))
	}
	d = d.admitted(s.cfg.Auth.AdmitCertificate(ctx, v, c.address))
	if d.code == codeBadCredentials {
		d.code = codeNotAuthorized
	}
	return d
}

// byPassword: any user of a tenant may connect; a device's user as that device.
func (s *Server) byPassword(ctx context.Context, c *conn, d decision, pk *packets.Packet) decision {
	if !pk.Connect.PasswordFlag || len(pk.Connect.Password) == 0 {
		reason := platform.ReasonNoCertificate
		switch {
		case pk.Connect.PasswordFlag:
			reason = platform.ReasonBadCredentials
		case s.cfg.OneWay && c.tls != nil:
			reason = platform.ReasonOneWay
		}
		return d.refuse(reason, codeNotAuthorized, "no password")
	}
	tenant, user, err := deviceid.ParseTenantUser(string(pk.Connect.Username))
	if err != nil {
		return d.refuse(platform.ReasonBadCredentials, codeBadCredentials, "the user name is not <tenant>/<user>")
	}
	d = d.admitted(s.cfg.Auth.AdmitPassword(ctx, platform.TenantID(tenant), user, secret.New(string(pk.Connect.Password)), c.address))
	if p := d.principal; d.reason == platform.Accepted && p.IsDevice() && p.Device != d.client && "d:"+p.Device != d.client {
		return d.refuse(platform.ReasonNameMismatch, codeNotAuthorized, "user "+strconv.Quote(user))
	}
	return d
}

// passwordBeside: see platform.OptionPasswordBesideCertificate.
func (s *Server) passwordBeside(ctx context.Context, pk *packets.Packet) bool {
	tenant, _, err := deviceid.ParseTenantUser(string(pk.Connect.Username))
	if err != nil || len(pk.Connect.Password) == 0 {
		return false
	}
	value, _, err := s.cfg.Options.Option(ctx, platform.TenantID(tenant), platform.OptionPasswordBesideCertificate)
	return err == nil && value == "true"
}

// refused tells the peer, the log and the record of refusals.
func (s *Server) refused(c *conn, d decision) {
	s.stats.refused.Add(1)
	tenant := d.verdict.Tenant
	if tenant == "" {
		tenant = platform.Management
	}
	s.log.Info("connect refused", "tenant", tenant, "external_id", d.client, "door", c.door, "address", c.address,
		"code", d.code, "reason", d.reason, "detail", d.detail, "serial", d.verdict.Leaf.Serial)
	s.cfg.Refusals.Record(platform.Refusal{
		Tenant: tenant, CN: d.client, At: time.Now(), Door: c.door, Address: c.address,
		Reason: d.reason, Detail: d.detail, Leaf: d.verdict.Leaf,
	})
	c.refuse(d.code, d.detail)
}
