package server

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/account"
	"mooring/server/deviceauth"
	"mooring/server/mqttapi"
	"mooring/server/mqttservice"
	"mooring/server/platform"
	"mooring/server/registration"
	"mooring/server/restapi"
	"mooring/server/templates"
)

// serveMQTT serves the MQTT listeners that are open. The front end is stopped
// even if none is: it has the WebSockets of the HTTP listeners.
func (s *Server) serveMQTT(run *group, doors *listeners) {
	run.onStop(s.services.mqtt.Shutdown)
	run.onStop(s.services.service.Shutdown)
	for _, door := range []struct {
		name string
		l    net.Listener
		tls  *tls.Config
	}{
		{"mqtts", doors.mqtts, s.tls.mqtts},
		{"mqtt", doors.mqtt, nil},
	} {
		if door.l != nil {
			run.serve(door.name, func() error { return s.services.mqtt.Serve(door.l, door.name, door.tls) }, nil)
		}
	}
	if doors.service != nil {
		run.serve("service", func() error { return s.services.service.Serve(doors.service, "service", s.tls.service) }, nil)
	}
	if doors.servicePlain != nil {
		run.serve("service-plain", func() error { return s.services.service.Serve(doors.servicePlain, "service-plain", nil) }, nil)
	}
}

// mqttAuth answers the question of the MQTT front ends who connects: devices by
// certificate or password, people by password.
type mqttAuth struct {
	devices  *deviceauth.Auth
	accounts *account.Service
	door     string // in audit
}

var (
	_ mqttapi.Authenticator     = mqttAuth{}
	_ mqttservice.Authenticator = mqttAuth{}
)

func (a mqttAuth) VerdictOf(state tls.ConnectionState) platform.Verdict {
	return a.devices.Decide(state.PeerCertificates, time.Now())
}

func (a mqttAuth) AdmitCertificate(ctx context.Context, v platform.Verdict, _ string) (platform.Principal, platform.Reason, error) {
	p, err := a.devices.Admit(ctx, v, a.door)
	return asReason(p, err)
}

func (a mqttAuth) AdmitPassword(ctx context.Context, tenant platform.TenantID, user string, password secret.String, address string) (platform.Principal, platform.Reason, error) {
	if _, ok := deviceid.DeviceOfUser(user); ok {
		return asReason(a.devices.Password(ctx, tenant, user, password, address))
	}
	return asReason(a.accounts.Authenticate(ctx, tenant, user, password, address))
}

// asReason tells a refusal from a failure to decide.
func asReason(p platform.Principal, err error) (platform.Principal, platform.Reason, error) {
	switch problem.KindOf(err) {
	case "":
		return p, platform.Accepted, nil
	case problem.Unauthenticated, problem.Forbidden, problem.NotFound:
		// What is no refusal of a device is one of a person: the accounts say one thing.
		if reason := deviceauth.ReasonOf(err); reason != platform.ReasonInternal {
			return platform.Principal{}, reason, nil
		}
		return platform.Principal{}, platform.ReasonBadCredentials, nil
	default:
		return platform.Principal{}, platform.ReasonInternal, err
	}
}

// mqttRegistrations finds the tenant that a device means by the name it used.
type mqttRegistrations struct {
	registrations *registration.Service
	accounts      *account.Service
}

var _ mqttapi.Registrations = mqttRegistrations{}

func (r mqttRegistrations) Announce(ctx context.Context, host, externalID string, token secret.String) error {
	hint, err := r.hint(ctx, host)
	if err != nil {
		return err
	}
	return r.registrations.Announce(ctx, hint, externalID, token)
}

func (r mqttRegistrations) Fetch(ctx context.Context, host, externalID string, token secret.String) (registration.Credentials, error) {
	hint, err := r.hint(ctx, host)
	if err != nil {
		return registration.Credentials{}, err
	}
	return r.registrations.Fetch(ctx, hint, externalID, token)
}

func (r mqttRegistrations) hint(ctx context.Context, host string) (platform.TenantID, error) {
	hint, err := r.accounts.TenantForHost(ctx, host)
	if problem.KindOf(err) == problem.NotFound {
		return "", nil
	}
	return hint, err
}

// mqttLegacy lets REST carry out what comes as SmartREST 1.0 over MQTT.
type mqttLegacy struct {
	rest        *restapi.API
	collections *templates.Service
}

var _ mqttapi.Legacy = mqttLegacy{}

func (l mqttLegacy) Exchange(ctx context.Context, c mqttapi.LegacyClient, xid string, body []byte, maxBytes int) ([]byte, error) {
	return l.rest.SmartREST(ctx, restapi.LegacyClient(c), xid, body, maxBytes)
}

func (l mqttLegacy) Collection(ctx context.Context, tenant platform.TenantID, xid string) (templates.Legacy, error) {
	return l.collections.Legacy(ctx, tenant, xid)
}
