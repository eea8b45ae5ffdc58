package mqttapi

import (
	"context"
	"strings"
	"time"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/internal/smartrest"
	"mooring/server/platform"
	"mooring/server/registration"
)

// Registrations gives devices the passwords that operators have granted
// (mqtt.md §7.1). host is the name under which the device reached the server; it
// decides between tenants that wait for the same device.
type Registrations interface {
	// Announce notes that a device is there and asks. It gives nothing.
	Announce(ctx context.Context, host, externalID string, token secret.String) error
	// Fetch gives the device its password, once; problem.NotFound while there is
	// nothing to give, whatever the reason.
	Fetch(ctx context.Context, host, externalID string, token secret.String) (registration.Credentials, error)
}

const topicCredentials = "s/dcr"

// Pace of a bootstrap session: clients ask every 5 s (mqtt.md §7.1), and each
// question costs a look into the store. Ours.
const bootstrapRate, bootstrapBurst = 2, 20

// isBootstrap: the user whose password all devices know may fetch credentials and
// nothing else.
func isBootstrap(p platform.Principal) bool { return p.Has(platform.RoleDeviceBootstrap) }

// bootstrapFilter lists what a bootstrap session may subscribe.
func bootstrapFilter(filter string) bool { return filter == topicCredentials || filter == topicErrors }

// applyBootstrap carries out a publish of a bootstrap session.
func (s *session) applyBootstrap(t deviceid.Topic, in inbound) error {
	if t.Class != deviceid.SmartREST || t.Direction != deviceid.Upstream || t.Type != deviceid.TypeCredentials {
		s.report(smartrest.NewError(smartrest.CodeServer, "", "A bootstrap session may ask for credentials only"))
		return nil
	}
	ctx, cancel := s.call()
	defer cancel()
	// A device may send its security token, as by REST; the documents know an empty
	// message only.
	token := secret.New(strings.TrimSpace(string(in.payload)))
	s.mu.Lock()
	_, listens := s.out.granted(topicCredentials)
	s.mu.Unlock()
	host, device := s.conn.serverName(), s.place.device
	if !listens { // a password that nobody hears would be lost
		return s.server.cfg.Registrations.Announce(ctx, host, device, token)
	}
	c, err := s.server.cfg.Registrations.Fetch(ctx, host, device, token)
	switch {
	case err == nil:
		s.server.handed.put(s.asks(), c, time.Now())
	case problem.KindOf(err) != problem.NotFound:
		return err
	default:
		var ok bool
		if c, ok = s.server.handed.take(s.asks(), time.Now()); !ok {
			return nil // silence until the operator's word
		}
	}
	s.deliverAs(topicCredentials, smartrest.AppendCredentials(nil, string(c.Tenant), c.User, c.Password.Reveal()), credentialsMessage)
	return nil
}

// noRegistrations is a server on which nothing is to be fetched.
type noRegistrations struct{}

func (noRegistrations) Announce(context.Context, string, string, secret.String) error { return nil }

func (noRegistrations) Fetch(context.Context, string, string, secret.String) (registration.Credentials, error) {
	return registration.Credentials{}, problem.NotFound
}
