package doctor_test

import (
	"crypto"
	"crypto/x509"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/doctor"
	"mooring/internal/pki"
	"mooring/server/servertest"
)

// TestForum sets up each failure of the forum's thread (seed 003) and wants it
// named. says is the line of the thread.
func TestForum(t *testing.T) {
	tests := []struct {
		name   string
		says   string
		server func(*servertest.Config)
		set    func(*rig)
		want   doctor.Code
		also   []doctor.Code
	}{
		{name: "as it should be", says: "I was assuming that when I send the device certificate to the cloud, it will see that it’s signed by the root certificate",
			set: func(r *rig) {
				a := newAuthority(r.t)
				r.trust(a.cert, true)
				r.hold(a.leafOf())
			}},
		{name: "issuer not uploaded", says: "Do I need to load the device certificate to the trusted certificate store?",
			set: func(r *rig) { r.hold(newAuthority(r.t).leafOf()) }, want: "M121"},
		{name: "another instance", says: "can you also confirm which Cumulocity instance you are using",
			set: func(r *rig) {
				r.trust(newAuthority(r.t).cert, true) // of the same name, with another key
				r.hold(newAuthority(r.t).leafOf())
			}, want: "M121"},
		{name: "root uploaded, intermediate left out", says: "you needed to send the entire certificate chain, just having the root certificate as your trust anchor and sending the device certificate was not enough",
			set: func(r *rig) {
				root := newAuthority(r.t)
				r.trust(root.cert, true)
				r.hold(root.intermediate().leafOf())
			}, want: "M121"},
		{name: "chain with a gap", says: "having the whole certificate chain loaded is something we encountered",
			set: func(r *rig) {
				root := newAuthority(r.t)
				r.trust(root.cert, true)
				upper := root.intermediate()
				lower := upper.intermediate()
				r.hold(lower.leafOf(root.cert))
			}, want: "M051", also: []doctor.Code{"M121", "M122", "M123", "M124"}},
		{name: "order", says: "with the device’s certificate at the start of the file, and then work up the certificate chain",
			set: func(r *rig) {
				a := newAuthority(r.t)
				r.trust(a.cert, true)
				var leaf *x509.Certificate
				r.hold(func(p crypto.PublicKey) pki.Chain { leaf = a.issue(p); return pki.Chain{leaf} })
				r.replace(pki.Chain{a.cert, leaf})
			}, want: "M050"},
		{name: "root is no CA", says: "I seem to have conflated intermediate certificate creation with root certificate creation and I was signing my root certificate with itself",
			set: func(r *rig) {
				a := newAuthority(r.t, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid, c.KeyUsage = false, false, 0 })
				r.hold(a.leafOf(a.cert))
			}, want: "M058", also: []doctor.Code{"M121", "M124"}},
		{name: "CN is a place holder", says: `-subj "/C=US/ST=Delaware/L=Wilmington/O=device/CN=DEVICE_ID"`,
			set: func(r *rig) {
				a := newAuthority(r.t)
				r.trust(a.cert, true)
				r.hold(func(p crypto.PublicKey) pki.Chain {
					return pki.Chain{a.issue(p, func(c *x509.Certificate) { c.Subject.CommonName = "DEVICE_ID" })}
				})
			}, want: "M053", also: []doctor.Code{"M133"}},
		{name: "expired", says: "Not After : Sep 16 18:02:23 2026 GMT",
			set: func(r *rig) {
				a := newAuthority(r.t)
				r.trust(a.cert, true)
				r.hold(func(p crypto.PublicKey) pki.Chain {
					return pki.Chain{a.issue(p, func(c *x509.Certificate) {
						c.NotBefore, c.NotAfter = time.Now().AddDate(-2, 0, 0), time.Now().AddDate(0, -2, 0)
					})}
				})
			}, want: "M055", also: []doctor.Code{"M125"}},
		{name: "two-way TLS off", says: "does this mean that the IT team has disabled 2-way certificate authentication?",
			server: func(c *servertest.Config) { c.TLS.OneWay = true },
			set: func(r *rig) {
				a := newAuthority(r.t)
				r.trust(a.cert, true)
				r.hold(a.leafOf())
			}, want: "M108", also: []doctor.Code{"M137", "M120"}},
		{name: "auto-registration off", says: "Check that the trusted certificate has “auto registration” enabled",
			set: func(r *rig) {
				a := newAuthority(r.t)
				r.trust(a.cert, false)
				r.hold(a.leafOf())
			}, want: "M134"},
		{name: "trusted certificate disabled", says: "I put the autodoser-cert.pem in the trusted certificates, enable it",
			set: func(r *rig) {
				a := newAuthority(r.t)
				r.trust(a.cert, true)
				r.server.Call(http.MethodPut, trustedPath+"/"+pki.Fingerprint(a.cert), map[string]string{"status": "DISABLED"}, nil)
				r.hold(a.leafOf())
			}, want: "M129"},
		{name: "registered with a password", says: "If you’ve registered a device credentials using the username/password",
			set: func(r *rig) {
				a := newAuthority(r.t)
				r.trust(a.cert, true)
				r.server.RegisterCSV("ID;AUTH_TYPE;CREDENTIALS\n" + device + ";BASIC;Secret-password-1\n")
				r.hold(a.leafOf())
			}, want: "M136"},
		{name: "self-signed, not uploaded", says: "it didn’t have anything to setup a root certificate … but rather self-signed the device certificate with CA:true and used that",
			set: func(r *rig) { r.hold(selfSigned(r.t, r)) }, want: "M121"},
		{name: "the device's key is not the certificate's", says: "I then use the values from DEVICE_ID-cert.pem and DEVICE_ID-private-key.pem",
			set: func(r *rig) {
				a := newAuthority(r.t)
				r.trust(a.cert, true)
				r.hold(a.leafOf())
				r.replace(pki.Chain{a.issue(newKey(r.t).Public())})
			}, want: "M042"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Log("seed 003:", tt.says)
			synctest.Test(t, func(t *testing.T) {
				s := servertest.Start(t, servertest.Options{Easy: true, Configure: func(c *servertest.Config) {
					if tt.server != nil {
						tt.server(c)
					}
				}})
				r := newRig(t, s)
				tt.set(r)
				if tt.want == "" {
					r.healthy()
					return
				}
				r.finds(tt.want, tt.also...)
			})
		})
	}
}

// selfSigned makes the chain of a device that is its own authority.
func selfSigned(t testing.TB, r *rig) func(crypto.PublicKey) pki.Chain {
	t.Helper()
	return func(p crypto.PublicKey) pki.Chain {
		refs, err := r.keys.List(t.Context())
		must(t, err)
		for _, ref := range refs {
			signer, err := r.keys.Open(t.Context(), ref)
			must(t, err)
			if pki.SamePublicKey(signer.Public(), p) {
				c := template(device, true)
				return pki.Chain{authority{t, c, signer}.issue(p, func(l *x509.Certificate) { l.IsCA, l.KeyUsage = true, c.KeyUsage })}
			}
		}
		t.Fatal("the key is not in its store")
		return nil
	}
}
