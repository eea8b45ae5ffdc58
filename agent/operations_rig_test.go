package agent_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/agent/helper"
	"mooring/server/servertest"
)

// opsRig is an agent that carries out operations, with a root helper beside it
// that has a directory instead of a device.
type opsRig struct {
	*rig
	dir    string // of files, plugins and programs
	boot   atomic.Int32
	device string // the server's ID
	helper func() // stops it
}

// newOpsRig enrols the device and leaves the agent stopped.
func newOpsRig(t testing.TB, edit func(*config.Operations, string)) *opsRig {
	t.Helper()
	s := servertest.Start(t, servertest.Options{Easy: true})
	r := &opsRig{rig: newRig(t, s, "dev1"), dir: t.TempDir()}
	r.edit = func(c *config.Config) {
		o := &c.Operations
		o.Helper, o.Software.Plugins = filepath.Join(r.dir, "helper.sock"), r.dir
		edit(o, r.dir)
		c.SupportedOperations = []string{"acme_Brew"}
	}
	r.change = func(o *agent.Options) {
		o.Operations = true
		o.BootID = func() string { return "boot-" + string('0'+rune(r.boot.Load())) }
	}
	r.startHelper()
	s.Register("dev1", "the-right-password")
	r.start()
	r.enrol("the-right-password")
	var found struct {
		Object struct{ ID string } `json:"managedObject"`
	}
	for end := time.Now().Add(30 * time.Second); found.Object.ID == "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		_ = json.Unmarshal([]byte(r.get("/identity/externalIds/c8y_Serial/dev1")), &found) // until it is there
	}
	r.device = found.Object.ID
	if err := r.rig.stop(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *opsRig) startHelper() {
	r.t.Helper()
	c := config.Default()
	r.edit(&c)
	s, err := helper.Open(helper.Options{Operations: c.Operations, Dir: filepath.Join(r.dir, "private"), UID: os.Getuid()})
	if err != nil {
		r.t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: c.Operations.Helper, Net: "unix"})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	r.helper = func() { cancel(); <-ended }
	r.t.Cleanup(func() { cancel() })
}

// run starts the agent and stops it at the end of the test.
func (r *opsRig) run() {
	r.start()
	r.t.Cleanup(func() { _ = r.stop() })
}

func (r *opsRig) script(name, body string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	r.write(name, "#!/bin/sh\n"+body)
	if err := os.Chmod(path, 0o755); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func (r *opsRig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// read gives a file of the rig's directory, empty if it is not there.
func (r *opsRig) read(name string) string {
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	return string(text)
}

// get fetches a path, or a URL of the server, as the operator; empty if it is
// not there.
func (r *opsRig) get(path string) string {
	r.t.Helper()
	if i := strings.Index(path, "://"); i >= 0 {
		_, rest, _ := strings.Cut(path[i+3:], "/")
		path = "/" + rest
	}
	q, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "https://"+servertest.HTTPS+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	q.SetBasicAuth(servertest.Tenant+"/"+servertest.AdminUser, servertest.AdminPassword)
	client := r.server.HTTPClient(r.server.TLSConfig())
	defer client.CloseIdleConnections()
	answer, err := client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // read to its end
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return ""
	}
	return string(text)
}

// op is an operation as the operator sees it.
type op struct {
	ID            string
	Status        string
	FailureReason string
	Members       map[string]json.RawMessage
}

// create makes an operation from a fragment and its JSON.
func (r *opsRig) create(fragment, body string) string {
	r.t.Helper()
	var made struct{ ID string }
	r.server.Call(http.MethodPost, "/devicecontrol/operations",
		map[string]any{"deviceId": r.device, fragment: json.RawMessage(body)}, &made)
	return made.ID
}

func (r *opsRig) operation(id string) op {
	r.t.Helper()
	text := r.get("/devicecontrol/operations/" + id)
	var o op
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &o.Members); err != nil {
		r.t.Fatal(err)
	}
	return o
}

// wait returns the operation at its end.
func (r *opsRig) wait(id string) op {
	r.t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if o := r.operation(id); o.Status == "SUCCESSFUL" || o.Status == "FAILED" {
			return o
		}
	}
	r.t.Fatalf("operation %s never ended: %+v", id, r.operation(id))
	return op{}
}

// succeeds creates an operation and waits for its success.
func (r *opsRig) succeeds(fragment, body string) op {
	r.t.Helper()
	o := r.wait(r.create(fragment, body))
	if o.Status != "SUCCESSFUL" {
		r.t.Errorf("%s %s: %s, %s", fragment, body, o.Status, o.FailureReason)
	}
	return o
}

// fails creates an operation and waits for its failure, with reason in its text.
func (r *opsRig) fails(fragment, body, reason string) {
	r.t.Helper()
	o := r.wait(r.create(fragment, body))
	if o.Status != "FAILED" || !strings.Contains(o.FailureReason, reason) {
		r.t.Errorf("%s %s: %s, %q; want %q", fragment, body, o.Status, o.FailureReason, reason)
	}
}

// object is the device in the inventory.
func (r *opsRig) object() map[string]json.RawMessage {
	r.t.Helper()
	var o map[string]json.RawMessage
	if err := json.Unmarshal([]byte(r.get("/inventory/managedObjects/"+r.device)), &o); err != nil {
		r.t.Fatal(err)
	}
	return o
}
