package uplink

import (
	"crypto/tls"
	"net"
)

// tlsConfig presents c to whatever server asks for a certificate, whichever
// issuers it names: the server's list is empty or somebody else's business.
func (u *Uplink) tlsConfig(c *Credential, addr string, asked func()) *tls.Config {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: host,
		RootCAs:    u.cfg.TrustAnchors,
		Time:       u.cfg.Now,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked()
			return &c.Certificate, nil
		},
	}
}

// sessionCaches holds one TLS session cache a generation, so that no session
// of one certificate is ever resumed by another.
type sessionCaches map[uint32]tls.ClientSessionCache

func (s *sessionCaches) of(generation uint32) tls.ClientSessionCache {
	if *s == nil {
		*s = sessionCaches{}
	}
	if (*s)[generation] == nil {
		(*s)[generation] = tls.NewLRUClientSessionCache(1)
	}
	return (*s)[generation]
}

// keepTwo drops all but the newest other generation beside the given one.
func (s *sessionCaches) keepTwo(generation uint32) {
	var newest uint32
	for g := range *s {
		if g != generation {
			newest = max(newest, g)
		}
	}
	for g := range *s {
		if g != generation && g != newest {
			delete(*s, g)
		}
	}
}

func (u *Uplink) sessionCache(generation uint32) tls.ClientSessionCache {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.caches.of(generation)
}
