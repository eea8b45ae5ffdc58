package main

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const device = "demo-001"

// status is what `mooring-agent status --json` tells.
type status struct {
	State     string
	Device    string
	Serial    string
	NotAfter  time.Time `json:"not_after"`
	Issuer    string
	Connected bool
	TLS       string
	LastError struct{ Reason, Detail string } `json:"last_error"`
}

func (d *demo) startServer(ctx context.Context) error {
	if err := tearDown(d.dir, d.out); err != nil {
		return err
	}
	if err := os.RemoveAll(d.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	var err error
	if d.server, err = d.start("mooring-server", "serve", "--data", d.path("server"), "--dev",
		"--https", "127.0.0.1:0", "--mtls", "127.0.0.1:0", "--mqtts", "127.0.0.1:0", "--admin", "127.0.0.1:0"); err != nil {
		return err
	}
	if d.ready, err = d.server.waitReady(ctx); err != nil {
		return err
	}
	password, err := os.ReadFile(d.path("server", "admin.password"))
	if err != nil {
		return err
	}
	if d.api, err = newAPI(d.ready, strings.TrimSpace(string(password))); err != nil {
		return err
	}
	d.say("https %s   mtls %s   mqtts %s", d.ready.HTTPS, d.ready.MTLS, d.ready.MQTTS)
	return nil
}

func (d *demo) register(ctx context.Context) error {
	var ca struct{ Subject, AlgorithmName, NotAfter string }
	if err := d.api.call(ctx, http.MethodPost, "/certificate-authority", nil, &ca); err != nil {
		return err
	}
	d.say("certificate authority %s, %s, until %.10s", ca.Subject, ca.AlgorithmName, ca.NotAfter)
	otp, err := d.run(ctx, "mooring-server", "device", "register", "--data", d.path("server"), "--id", device)
	if err != nil {
		return err
	}
	d.otp = strings.TrimSpace(otp)
	d.say("%s is registered; its one-time password has %d characters and works once", device, len(d.otp))
	return os.WriteFile(d.path("otp"), []byte(otp), 0o600)
}

// port is the port of an address of the ready line.
func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

func (d *demo) enrol(ctx context.Context) error {
	if _, err := d.run(ctx, "mooring-agent", "enrol", "--server", d.ready.HTTPS, "--mtls-port", port(d.ready.MTLS), "--mqtts-port", port(d.ready.MQTTS),
		"--id", device, "--otp-file", d.path("otp"), "--ca", d.ready.Root, "--state", d.path("agent")); err != nil {
		return err
	}
	leaf, err := readLeaf(d.path("agent"))
	if err != nil {
		return err
	}
	d.say("subject %s   serial %x", leaf.Subject, leaf.SerialNumber)
	d.say("issuer %s   valid %s to %s", leaf.Issuer, leaf.NotBefore.Format(time.DateOnly), leaf.NotAfter.Format(time.DateOnly))
	return nil
}

// readChain reads the device's certificates, leaf first, from the agent's
// current generation.
func readChain(state string) (chain []*x509.Certificate, err error) {
	text, err := os.ReadFile(filepath.Join(state, "current", "chain.pem"))
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, errors.New("no PEM in chain.pem")
	}
	return chain, nil
}

func readLeaf(state string) (*x509.Certificate, error) {
	chain, err := readChain(state)
	if err != nil {
		return nil, err
	}
	return chain[0], nil
}

func (d *demo) connect(ctx context.Context) error {
	var err error
	if d.agent, err = d.start("mooring-agent", "run", "--state", d.path("agent")); err != nil {
		return err
	}
	if d.first, err = d.waitStatus(ctx, func(s status) bool { return s.Connected }); err != nil {
		return err
	}
	chain, err := readChain(d.path("agent"))
	if err != nil {
		return err
	}
	d.say("connected to mqtts %s with %s; the server confirmed certificate %s", d.ready.MQTTS, d.first.TLS, d.first.Serial)
	var names []string
	for _, c := range chain {
		names = append(names, c.Subject.String())
	}
	d.say("chain sent: %s   completed by the tenant's trusted certificate %s", strings.Join(names, " ← "), d.first.Issuer)
	return nil
}

// waitStatus asks the agent for its status until good holds.
func (d *demo) waitStatus(ctx context.Context, good func(status) bool) (s status, err error) {
	for {
		text, err := d.run(ctx, "mooring-agent", "status", "--json", "--state", d.path("agent"))
		if err == nil {
			s = status{}
			if err = json.Unmarshal([]byte(text), &s); err == nil && good(s) {
				return s, nil
			}
		}
		select {
		case <-ctx.Done():
			return s, fmt.Errorf("the agent did not get there: %+v: %w", s, errors.Join(err, ctx.Err()))
		case err := <-d.agent.done:
			return s, fmt.Errorf("the agent ended: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (d *demo) measure(ctx context.Context) error {
	const line = "200,c8y_Temperature,T,21.5,C"
	if _, err := d.run(ctx, "mooring-agent", "pub", "--state", d.path("agent"), line); err != nil {
		return err
	}
	d.say("s/us ← %s   acknowledged: it is on the server's disk", line)
	var identity struct{ ManagedObject struct{ ID string } }
	if err := d.api.call(ctx, http.MethodGet, "/identity/externalIds/c8y_Serial/"+device, nil, &identity); err != nil {
		return err
	}
	var list struct {
		Measurements []struct {
			Time        string
			Temperature struct {
				T struct {
					Value float64
					Unit  string
				}
			} `json:"c8y_Temperature"`
		}
	}
	if err := d.api.call(ctx, http.MethodGet, "/measurement/measurements?source="+identity.ManagedObject.ID, nil, &list); err != nil {
		return err
	}
	if len(list.Measurements) != 1 || list.Measurements[0].Temperature.T.Value != 21.5 {
		return fmt.Errorf("read back %+v", list.Measurements)
	}
	m := list.Measurements[0]
	d.say("GET /measurement/measurements?source=%s → %g %s at %s", identity.ManagedObject.ID, m.Temperature.T.Value, m.Temperature.T.Unit, m.Time)
	return nil
}

func (d *demo) useToken(ctx context.Context) error {
	text, err := d.run(ctx, "mooring-agent", "token", "--state", d.path("agent"))
	if err != nil {
		return err
	}
	d.token = strings.TrimSpace(text)
	parts := strings.Split(d.token, ".")
	if len(parts) != 3 {
		return errors.New("that is no JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	var claims struct {
		Sub, Ten, Iss string
		Iat, Exp      int64
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return err
	}
	d.say("claims: sub %s, ten %s, iss %s, good for %v", claims.Sub, claims.Ten, claims.Iss, time.Duration(claims.Exp-claims.Iat)*time.Second)
	var tenant struct{ Name string }
	if err := d.api.as(d.token).call(ctx, http.MethodGet, "/tenant/currentTenant", nil, &tenant); err != nil {
		return err
	}
	if tenant.Name != claims.Ten {
		return fmt.Errorf("tenant %q, want %q", tenant.Name, claims.Ten)
	}
	d.say("GET /tenant/currentTenant with it → %s", tenant.Name)
	return nil
}

func (d *demo) renew(ctx context.Context) error {
	// What a thief or an old backup would have: the state as it is now.
	if out, err := exec.CommandContext(ctx, "cp", "-a", d.path("agent"), d.path("agent-before")).CombinedOutput(); err != nil {
		return fmt.Errorf("copy the state: %w: %s", err, out)
	}
	before, err := readLeaf(d.path("agent"))
	if err != nil {
		return err
	}
	if _, err := d.run(ctx, "mooring-agent", "renew", "--state", d.path("agent")); err != nil {
		return err
	}
	if d.second, err = d.waitStatus(ctx, func(s status) bool { return s.Connected && s.Serial != d.first.Serial }); err != nil {
		return err
	}
	after, err := readLeaf(d.path("agent"))
	if err != nil {
		return err
	}
	if string(before.RawSubjectPublicKeyInfo) == string(after.RawSubjectPublicKeyInfo) {
		return errors.New("the key is still the old one")
	}
	d.say("serial %s → %s, with a new key; committed after the server confirmed it", d.first.Serial, d.second.Serial)
	return nil
}

func (d *demo) bothCertificates(ctx context.Context) error {
	text, err := d.run(ctx, "mooring-server", "device", "certificates", "--data", d.path("server"), "--id", device)
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		d.say("%s", strings.TrimRight(line, "\n"))
	}
	if !strings.Contains(text, d.first.Serial) || !strings.Contains(text, d.second.Serial) {
		return errors.New("one of the two is missing")
	}
	return nil
}

func (d *demo) revoke(ctx context.Context) error {
	if _, err := d.run(ctx, "mooring-server", "trust", "revoke", "--data", d.path("server"), d.first.Serial); err != nil {
		return err
	}
	_, err := d.run(ctx, "mooring-agent", "pub", "--timeout", "3s", "--state", d.path("agent-before"), "100")
	if err == nil {
		return errors.New("the revoked certificate still connects")
	}
	said := err.Error()
	if failed, ok := errors.AsType[*runError](err); ok {
		said = failed.said
	}
	if !strings.Contains(said, "revoked") {
		return fmt.Errorf("the device was refused, but not told why: %s", said)
	}
	for line := range strings.Lines(said) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "mooring-agent: "); ok {
			d.say("device: %s", text)
		}
	}
	text, err := d.run(ctx, "mooring-server", "explain", "--data", d.path("server"), device)
	if err != nil {
		return err
	}
	if !strings.Contains(text, "revoked") || !strings.Contains(text, d.first.Serial) {
		return fmt.Errorf("the server does not say why: %s", text)
	}
	newest, _, _ := strings.Cut(text, "\n")
	d.say("server: %s", newest)
	return nil
}

func (d *demo) stillConnected(ctx context.Context) error {
	if _, err := d.run(ctx, "mooring-agent", "pub", "--state", d.path("agent"), "211,22"); err != nil {
		return err
	}
	s, err := d.waitStatus(ctx, func(s status) bool { return s.Connected })
	if err != nil {
		return err
	}
	d.say("connected with certificate %s, valid until %s", s.Serial, s.NotAfter.Format(time.DateOnly))
	return nil
}

func (d *demo) leaveRunning() error {
	fmt.Fprintf(d.out, `
The server and the agent go on running. Play on:

  bin/mooring-agent status --state %[1]s
  bin/mooring-agent pub    --state %[1]s 400,c8y_DemoEvent,hello
  bin/mooring-agent renew  --state %[1]s
  bin/mooring-server explain --data %[2]s %[3]s
  curl --cacert %[4]s -u "t1000/admin:$(cat %[2]s/admin.password)" https://%[5]s/inventory/managedObjects

make demo-down stops them.
`, d.path("agent"), d.path("server"), device, d.ready.Root, d.ready.HTTPS)
	return nil
}
