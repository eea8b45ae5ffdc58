package doctor_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/agent/doctor"
	"mooring/hsm/key"
	"mooring/internal/clock"
	"mooring/internal/pki"
	"mooring/server/servertest"
)

// TestComplaints sets up the twelve complaints that fill the trackers of other
// agents (about "not authorised", diagnosis and clocks) and wants each named.
func TestComplaints(t *testing.T) {
	tests := []struct {
		from string // the complaint
		set  func(t *testing.T) *rig
		want doctor.Code
		also []doctor.Code
	}{
		{from: "thin-edge.io#1029: NotAuthorized, a device with that external ID already existed", want: "M136",
			set: func(t *testing.T) *rig {
				r := newRig(t, easy(t))
				a := newAuthority(t)
				r.trust(a.cert, true)
				r.server.RegisterCSV("ID;AUTH_TYPE;CREDENTIALS\n" + device + ";BASIC;Secret-password-1\n")
				r.hold(a.leafOf(a.cert))
				return r
			}},
		{from: "thin-edge.io#1400: sporadic NotAuthorized, a plain retry works", want: "M156",
			set: func(t *testing.T) *rig {
				f := newFake(t)
				first := connects.Load()
				f.mqtt = func(s *fakeSession) {
					if s.n == first+1 {
						s.connack(5)
						return
					}
					s.connack(0)
					s.serve()
				}
				return f.rig()
			}},
		{from: "thin-edge.io#1458, #3551: bare CertificateUnknown", want: "M111",
			set: func(t *testing.T) *rig {
				f := newFake(t)
				f.tls.MaxVersion = tls.VersionTLS12
				f.alert = func(c net.Conn) net.Conn { return alertAs{c, 46} }
				f.tls.VerifyPeerCertificate = func(certs [][]byte, _ [][]*x509.Certificate) error {
					if len(certs) > 0 {
						return errors.New("unknown")
					}
					return nil
				}
				return f.rig()
			}},
		{from: "thin-edge.io#4282: message buffer full, because of an oversized CA list", want: "M106",
			set: func(t *testing.T) *rig {
				f := newFake(t)
				f.tls.ClientAuth, f.tls.ClientCAs = tls.VerifyClientCertIfGiven, x509.NewCertPool()
				k := newKey(t)
				for i := range 700 {
					f.tls.ClientCAs.AddCert(f.root.issue(k.Public(), func(c *x509.Certificate) {
						c.Subject.CommonName = fmt.Sprintf("tenant %d with a name that is quite long, as names of tenants are in the field", i)
						c.IsCA = true
					}))
				}
				return f.rig()
			}},
		{from: "thin-edge.io#4309: the test says not connected while the bridge is up", want: "",
			set: func(t *testing.T) *rig {
				f := newFake(t)
				f.mqtt = func(*fakeSession) { t.Error("a CONNECT throws the running agent out") }
				r := f.rig()
				r.o.Daemon = daemon{agent.Status{Connected: true, TLS: "TLS 1.3", Generation: 1}}
				return r
			}},
		{from: "thin-edge.io#1029 with a child: not authorized, a device with that external ID already existed", want: "M142",
			set: func(t *testing.T) *rig {
				r := newRig(t, easy(t))
				a := newAuthority(t)
				r.trust(a.cert, true)
				r.server.RegisterCSV("ID;AUTH_TYPE;CREDENTIALS\nparent;BASIC;Secret-password-1\n")
				var object struct{ ID string }
				r.server.Call(http.MethodPost, "/inventory/managedObjects", map[string]string{"name": device, "owner": "device_parent"}, &object)
				r.server.Call(http.MethodPost, "/identity/globalIds/"+object.ID+"/externalIds", map[string]string{"type": "c8y_Serial", "externalId": device}, nil)
				r.certificates()
				r.hold(a.leafOf(a.cert))
				return r
			}},
		{from: "thin-edge.io#1572: cannot reconnect after the device was deleted in the tenant", want: "M134",
			set: func(t *testing.T) *rig {
				r := newRig(t, easy(t))
				a := newAuthority(t)
				r.trust(a.cert, false)
				r.certificates()
				r.hold(a.leafOf(a.cert))
				r.healthy()
				r.server.Call(http.MethodDelete, "/user/"+servertest.Tenant+"/users/device_"+device, nil, nil)
				return r
			}},
		{from: "thin-edge.io#3790, #3713: the bridge does not come back without a restart", want: "M181",
			set: func(t *testing.T) *rig {
				r := newFake(t).rig()
				r.o.Daemon = daemon{agent.Status{Generation: 1, LastError: &agent.LastError{Reason: "unreachable", Detail: "connection refused"}}}
				return r
			}},
		{from: "thin-edge.io#2174, #2222, #1562: 401 after the JWT expired", want: "M161",
			set: func(t *testing.T) *rig {
				f := newFake(t)
				f.https["8443"] = func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPost {
						fmt.Fprintf(w, `{"accessToken":%q}`, token)
						return
					}
					w.WriteHeader(404)
				}
				f.https["443"] = func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") == "Bearer "+token {
						w.WriteHeader(401)
						return
					}
					w.WriteHeader(404)
				}
				return f.rig()
			}},
		{from: "aws-greengrass-nucleus#1754: not authorized after DNS trouble at start", want: "M071",
			set: func(t *testing.T) *rig {
				r := newFake(t).rig()
				r.o.Resolve = func(_ context.Context, host string) ([]string, error) {
					return nil, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
				}
				return r
			}},
		{from: "Azure/iotedge#2531: how do I know what is wrong with our certificates?", want: "M059",
			set: func(t *testing.T) *rig {
				r := newRig(t, easy(t))
				a := newAuthority(t)
				r.trust(a.cert, true)
				r.hold(func(p crypto.PublicKey) pki.Chain {
					return pki.Chain{a.issue(p, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })}
				})
				return r
			}, also: []doctor.Code{"M131"}},
		{from: "esp-rainmaker-neo-firmware#1: kicked after a good connect, a storm of duplicate client IDs", want: "M155",
			set: func(t *testing.T) *rig {
				r := newRig(t, easy(t))
				a := newAuthority(t)
				r.trust(a.cert, true)
				r.certificates()
				r.hold(a.leafOf(a.cert))
				twin(t, r)
				return r
			}},
		{from: "tailscale#3152, #3713: connects although the clock is wrong; says nothing of it", want: "M032",
			set: func(t *testing.T) *rig {
				r := newFake(t).rig()
				r.o.Now = func() time.Time { return time.Unix(86400, 0).Add(time.Since(begin)) }
				return r
			}},
	}
	for _, tt := range tests {
		name, what, _ := strings.Cut(tt.from, ": ")
		t.Run(strings.NewReplacer("#", " ", ",", "").Replace(name), func(t *testing.T) {
			t.Log(what)
			synctest.Test(t, func(t *testing.T) {
				r := tt.set(t)
				if tt.want == "" {
					r.healthy()
					return
				}
				r.finds(tt.want, tt.also...)
			})
		})
	}
}

// begin is within the bubble's first year.
var begin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// daemon is a running agent that always says the same.
type daemon struct{ status agent.Status }

// Status implements doctor.Daemon.
func (d daemon) Status(context.Context) (agent.Status, error) { return d.status, nil }

// twin runs an agent with the same identity elsewhere.
func twin(t *testing.T, r *rig) *agent.Agent {
	t.Helper()
	c := r.o.Config
	c.KeepAlive = 0
	a := agent.New(agent.Options{Config: c, FS: r.disk, OpenKeys: func(context.Context, string) (key.Store, error) { return r.keys, nil },
		DialContext: r.server.Network.DialContext, Clock: clock.NewFrom(time.Now, time.Time{})})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended)
	})
	for range 600 {
		if s, err := a.Status(ctx); err == nil && s.Connected {
			return a
		}
		time.Sleep(time.Second)
	}
	t.Fatal("the twin never connected")
	return nil
}
