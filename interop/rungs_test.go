package interop_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRungs lets devices whose keys are in a token and in a TPM come back by each
// rung of the ladder, from a certificate that has expired.
func TestRungs(t *testing.T) {
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	m := newMaker(t, s)
	option := "/tenant/options/certificate-authority/re-enrolment.grace.days"
	for _, place := range hardware(t) {
		for _, rung := range []struct {
			name   string
			grace  string
			config string // of recovery; BOOTSTRAP is a chain in force
			before func(t *testing.T, d *device)
			enrols bool // by a person
		}{
			{name: "expired-certificate", grace: "30", before: func(t *testing.T, d *device) { s.register(t, d.id, "nobody-uses-this-one") }},
			{name: "bootstrap-certificate", grace: "0", config: "bootstrap_certificate = 'BOOTSTRAP'\n"},
			{name: "stored-otp", grace: "0", before: func(t *testing.T, d *device) {
				s.register(t, d.id, "the-second-otp-of-it")
				writeFile(t, filepath.Join(d.state, "second.otp"), "the-second-otp-of-it\n")
			}},
			{name: "new-otp", grace: "0", enrols: true},
		} {
			t.Run(place.name+"/"+rung.name, func(t *testing.T) {
				if a := s.admin(t, http.MethodPut, option, "application/json", []byte(`{"value":"`+rung.grace+`"}`)); a.status != http.StatusOK {
					t.Fatal(a)
				}
				dir := t.TempDir()
				d := &device{server: s, id: rung.name + "-" + place.name, state: filepath.Join(dir, "state"), otp: filepath.Join(dir, "otp"), env: place.env}
				config := strings.Replace(rung.config, "BOOTSTRAP", m.chain(t, d.id, d.made(t, place.uri), time.Now().AddDate(1, 0, 0)), 1)
				if rung.grace == "0" {
					config += "expired = false\n" // a refusal takes a minute
				}
				file := filepath.Join(dir, "agent.toml")
				writeFile(t, file, "[recovery]\n"+config)
				d.env = append(d.env, "MOORING_CONFIG="+file)
				expired := m.chain(t, d.id, d.made(t, place.uri), time.Now().AddDate(0, 0, -2))
				d.run(t, append(append([]string{"import", "--cert", expired}, d.aim()...), "--key", place.uri)...).want(t, exitDone)
				if rung.before != nil {
					rung.before(t, d)
				}
				if o := d.run(t, "status", "--json"); !strings.Contains(o.stdout, "expired") && !strings.Contains(o.stdout, rung.name) {
					t.Errorf("before: %s", o)
				}
				if rung.enrols {
					s.register(t, d.id, "a-new-otp-of-the-device")
					writeFile(t, d.otp, "a-new-otp-of-the-device\n")
					d.run(t, append(d.enrol(), "--again")...).want(t, exitDone)
				} else {
					run := d.background(t)
					eventually(t, "the device is back", func() bool { return d.leaf(t).Issuer.CommonName != "maker" })
					eventually(t, "it is valid", func() bool { return strings.Contains(d.run(t, "status", "--json").stdout, `"rung":"certificate"`) })
					run()
				}
				d.pub(t, 1).want(t, exitDone)
				d.run(t, "renew").want(t, exitDone)
				d.pub(t, 2).want(t, exitDone)
				if d.leaf(t).Issuer.CommonName == "maker" {
					t.Error("the certificate is still the maker's")
				}
			})
		}
	}
}
