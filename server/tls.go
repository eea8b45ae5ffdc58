package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mooring/server/config"
	"mooring/server/deviceauth"
	"mooring/server/platform"
	"mooring/server/vault"
)

// Session tickets (design decision 19): a new key each day, three kept, so
// that a ticket lives two to three days.
const (
	ticketKeyBytes = 32
	ticketRotation = 24 * time.Hour
	ticketKeysKept = 3
)

// serverCertificate is the certificate shown on every listener.
func serverCertificate(cfg config.Config, now time.Time) (tls.Certificate, error) {
	if cfg.Dev && cfg.TLS.Certificate == "" {
		return devCertificate(filepath.Join(cfg.Data, "tls"), devHosts(cfg), now)
	}
	pair, err := tls.LoadX509KeyPair(cfg.TLS.Certificate, cfg.TLS.Key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("server certificate: %w", err)
	}
	return pair, nil
}

// devHosts are the names a development certificate is made for.
func devHosts(cfg config.Config) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1", "server.test", "t1000.localhost"}
	if name, err := os.Hostname(); err == nil && name != "" {
		hosts = append(hosts, name)
	}
	if cfg.Names.Domain != "" {
		hosts = append(hosts, cfg.Names.Domain, "*."+cfg.Names.Domain)
	}
	return hosts
}

// listenerTLS builds the TLS configurations of the listeners. TLS asks for any
// client certificate with an empty list of CA names and refuses none: the
// verdict is made after the handshake, where it can be explained (decision 7).
type listenerTLS struct {
	https, mtls, mqtts, service *tls.Config
}

// oneWay asks for none where MQTT is spoken.
func newListenerTLS(certificate tls.Certificate, devices *deviceauth.Auth, oneWay bool) listenerTLS {
	base := &tls.Config{
		Certificates: []tls.Certificate{certificate},
		MinVersion:   tls.VersionTLS12,
		// strongSwan's client reads its first 1,024 bytes as one piece (est-interop.md §2).
		DynamicRecordSizingDisabled: true,
	}
	https := base.Clone()
	https.NextProtos = []string{"h2", "http/1.1"}

	mtls := base.Clone()
	mtls.NextProtos = []string{"h2", "http/1.1"}
	mtls.ClientAuth = tls.RequestClientCert
	devices.UseTickets(mtls, "mtls")

	mqtts := base.Clone()
	if !oneWay {
		mqtts.ClientAuth = tls.RequestClientCert
	}
	service := mqtts.Clone()
	devices.UseTickets(mqtts, "mqtts")
	devices.UseTickets(service, "service")
	return listenerTLS{https: https, mtls: mtls, mqtts: mqtts, service: service}
}

// setTicketKeys gives every listener the instance's ticket keys, newest first.
func (l listenerTLS) setTicketKeys(ctx context.Context, keys *vault.Vault) error {
	all, err := keys.All(ctx, platform.Management, vault.PurposeSessionTicket)
	if err != nil {
		return err
	}
	var ticketKeys [][ticketKeyBytes]byte
	for _, k := range all {
		if len(k.Bytes) == ticketKeyBytes {
			ticketKeys = append(ticketKeys, [ticketKeyBytes]byte(k.Bytes))
		}
	}
	if len(ticketKeys) == 0 {
		return fmt.Errorf("no session ticket keys in the store")
	}
	for _, cfg := range []*tls.Config{l.https, l.mtls, l.mqtts, l.service} {
		cfg.SetSessionTicketKeys(ticketKeys)
	}
	return nil
}
