package mqttapi_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"testing/synctest"
	"time"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/mqttapi"
	"mooring/server/platform"
)

const tenant, otherTenant platform.TenantID = "t1000", "t2000"

// fakeAuth admits certificates by common name and passwords by a map.
type fakeAuth struct {
	verdicts map[string]platform.Verdict // by common name; absent: unknown issuer
	admit    platform.Reason             // of AdmitCertificate
	err      error
	admitted func() // called once, after AdmitCertificate has decided
}

func (f *fakeAuth) VerdictOf(state tls.ConnectionState) platform.Verdict {
	cn := state.PeerCertificates[0].Subject.CommonName
	if v, ok := f.verdicts[cn]; ok {
		return v
	}
	return platform.Verdict{Scope: platform.ExplainOnly, Reason: platform.ReasonUnknownIssuer, Device: cn}
}

func (f *fakeAuth) AdmitCertificate(_ context.Context, v platform.Verdict, _ string) (platform.Principal, platform.Reason, error) {
	if f.err != nil || f.admit != platform.Accepted {
		return platform.Principal{}, f.admit, f.err
	}
	if once := f.admitted; once != nil {
		f.admitted = nil
		defer once()
	}
	return platform.Principal{Tenant: v.Tenant, User: "device_" + v.Device, Device: v.Device, Roles: platform.DeviceRoles, Method: platform.ByCertificate}, "", nil
}

func (f *fakeAuth) AdmitPassword(_ context.Context, t platform.TenantID, user string, password secret.String, _ string) (platform.Principal, platform.Reason, error) {
	if f.err != nil {
		return platform.Principal{}, "", f.err
	}
	if t != tenant && t != otherTenant && t != platform.Management || !password.Equal(secret.New("right")) {
		return platform.Principal{}, platform.ReasonBadCredentials, nil
	}
	p := platform.Principal{Tenant: t, User: user, Method: platform.ByPassword}
	switch user {
	case "admin":
		p.Roles = platform.AdminRoles
	case "reader":
		p.Roles = []platform.Role{platform.RoleInventoryRead}
	case "devicebootstrap":
		p.Roles = []platform.Role{platform.RoleDeviceBootstrap}
	case "creator":
		p.Roles = []platform.Role{platform.RoleInventoryCreate}
	case "disabled":
		return platform.Principal{}, platform.ReasonUserDisabled, nil
	default:
		p.Device, p.Roles = user[len("device_"):], platform.DeviceRoles
	}
	return p, "", nil
}

// object is one managed object of fakeInventory.
type object struct {
	id     platform.ID
	name   string
	typ    string
	owner  string
	parent platform.ID
	kind   string
}

// fakeInventory keeps objects by external ID. What Objects offers besides is tried
// on the real one.
type fakeInventory struct {
	mqttapi.Objects
	mu      sync.Mutex
	next    platform.ID
	objects map[string]*object
	updates []platform.UpdateObject
	err     error
	block   chan struct{} // while open, CreateDevice waits
	slow    time.Duration // what Update takes
}

func newFakeInventory() *fakeInventory {
	return &fakeInventory{next: 100, objects: map[string]*object{}}
}

func (f *fakeInventory) Device(_ context.Context, _ platform.TenantID, externalID string) (platform.ID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return 0, f.err
	}
	if o, ok := f.objects[externalID]; ok {
		return o.id, nil
	}
	return 0, problem.New(problem.NotFound, "no such object", nil)
}

func (f *fakeInventory) Owner(_ context.Context, _ platform.TenantID, id platform.ID) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.objects {
		if o.id == id {
			return o.owner, nil
		}
	}
	return "", problem.NotFound
}

func (f *fakeInventory) add(externalID, name, typ, owner string, parent platform.ID, kind string) (platform.ID, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return 0, false, f.err
	}
	if o, ok := f.objects[externalID]; ok {
		if o.owner != owner {
			return 0, false, problem.New(problem.Forbidden, "Access is denied.", nil)
		}
		return o.id, false, nil
	}
	f.next++
	f.objects[externalID] = &object{id: f.next, name: name, typ: typ, owner: owner, parent: parent, kind: kind}
	return f.next, true, nil
}

func (f *fakeInventory) CreateDevice(ctx context.Context, _ platform.TenantID, externalID, name, typ, owner string) (platform.ID, bool, error) {
	if f.block != nil {
		select {
		case <-f.block:
		case <-ctx.Done():
			return 0, false, problem.New(problem.Unavailable, "", ctx.Err())
		}
	}
	return f.add(externalID, name, typ, owner, 0, "device")
}

func (f *fakeInventory) CreateChild(_ context.Context, _ platform.TenantID, parent platform.ID, externalID, name, typ, owner string, isDevice bool) (platform.ID, bool, error) {
	return f.add(externalID, name, typ, owner, parent, fmt.Sprintf("child %v", isDevice))
}

func (f *fakeInventory) PutService(_ context.Context, _ platform.TenantID, parent platform.ID, externalID, kind, name, status, owner string) (platform.ID, error) {
	id, _, err := f.add(externalID, name, kind, owner, parent, "service "+status)
	if err == nil {
		f.mu.Lock()
		f.objects[externalID].kind = "service " + status
		f.objects[externalID].name = name
		f.mu.Unlock()
	}
	return id, err
}

func (f *fakeInventory) Update(ctx context.Context, _ platform.TenantID, cmd platform.UpdateObject) (platform.ManagedObject, error) {
	time.Sleep(f.slow)
	if ctx.Err() != nil {
		return platform.ManagedObject{}, problem.New(problem.Unavailable, "", ctx.Err())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.updates = append(f.updates, cmd)
	return platform.ManagedObject{}, f.err
}

func (f *fakeInventory) Parents(_ context.Context, _ platform.TenantID, child platform.ID, kind platform.ChildKind) ([]platform.ManagedObject, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.objects {
		if o.id == child && o.parent != 0 && kind == platform.ChildDevices {
			return []platform.ManagedObject{{ID: o.parent}}, nil
		}
	}
	return nil, nil
}

func (f *fakeInventory) ChildExternalIDs(_ context.Context, _ platform.TenantID, parent platform.ID) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name, o := range f.objects {
		if o.parent == parent {
			names = append(names, name)
		}
	}
	return names, nil
}

// get returns a copy of an object.
func (f *fakeInventory) get(externalID string) (object, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.objects[externalID]
	if !ok {
		return object{}, false
	}
	return *o, true
}

// fakeTelemetry commits at once, or when it is told to.
type fakeTelemetry struct {
	mqttapi.Records
	mu      sync.Mutex
	next    platform.ID
	batches []platform.Batch
	staged  map[platform.StagedKey]platform.StagedPublish
	drops   int
	err     error
	hold    bool
	held    []func(error)
}

func newFakeTelemetry() *fakeTelemetry {
	return &fakeTelemetry{next: 1000, staged: map[platform.StagedKey]platform.StagedPublish{}}
}

func (f *fakeTelemetry) NewID(context.Context) (platform.ID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	return f.next, nil
}

// commit calls done now, or keeps it.
func (f *fakeTelemetry) commit(done func(error)) {
	err := f.err
	if f.hold {
		f.held = append(f.held, done)
		done = nil
	}
	f.mu.Unlock()
	if done != nil {
		done(err)
	}
}

func (f *fakeTelemetry) Submit(b platform.Batch, done func(error)) {
	f.mu.Lock()
	if f.err == nil {
		f.batches = append(f.batches, b)
		if b.Release != nil {
			delete(f.staged, *b.Release)
		}
	}
	f.commit(done)
}

func (f *fakeTelemetry) Stage(p platform.StagedPublish, done func(error)) {
	f.mu.Lock()
	if _, ok := f.staged[p.StagedKey]; !ok && f.err == nil {
		f.staged[p.StagedKey] = p
	}
	f.commit(done)
}

func (f *fakeTelemetry) Staged(_ context.Context, key platform.StagedKey) (platform.StagedPublish, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p, ok := f.staged[key]; ok {
		return p, nil
	}
	return platform.StagedPublish{}, problem.NotFound
}

func (f *fakeTelemetry) DropStaged(_ context.Context, _ platform.TenantID, device string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drops++
	for k := range f.staged {
		if k.Device == device {
			delete(f.staged, k)
		}
	}
	return f.err
}

// setHold says whether what comes from now on is held. It is for bubbles.
func (f *fakeTelemetry) setHold(hold bool) {
	synctest.Wait() // until all that was sent is here
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold = hold
}

// release calls the i-th held done, which stays in its place. It is for bubbles.
func (f *fakeTelemetry) release(i int, err error) {
	synctest.Wait()
	f.mu.Lock()
	held := f.held
	f.mu.Unlock()
	held[i](err)
}

// lines lists what was stored, short.
func (f *fakeTelemetry) lines() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for _, b := range f.batches {
		mode := ""
		if b.Mode != platform.ModePersistent {
			mode = string(b.Mode) + " "
		}
		for _, m := range b.Measurements {
			list = append(list, mode+fmt.Sprintf("measurement %d %s %s", m.Source, m.Type, m.Body))
		}
		for _, e := range b.Events {
			list = append(list, mode+fmt.Sprintf("event %d %s %q %s", e.Source, e.Type, e.Text, e.Body))
		}
		for _, a := range b.Alarms {
			list = append(list, mode+fmt.Sprintf("alarm %d %s %s %q", a.Source, a.Severity, a.Type, a.Text))
		}
		for _, c := range b.AlarmChanges {
			list = append(list, mode+fmt.Sprintf("change %d %s severity=%s status=%s remove=%v", c.Source, c.Type, c.Severity, c.Status, c.Remove))
		}
	}
	return list
}

type fakeTokens struct{ err error }

func (f *fakeTokens) Issue(_ context.Context, p platform.Principal, host string) (string, error) {
	return "jwt-of-" + string(p.Tenant) + "-" + p.Device + "@" + host, f.err
}

type fakeRefusals struct {
	mu   sync.Mutex
	list []platform.Refusal
}

func (f *fakeRefusals) Record(r platform.Refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, r)
}

func (f *fakeRefusals) last() platform.Refusal {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) == 0 {
		return platform.Refusal{}
	}
	return f.list[len(f.list)-1]
}

type fakePresence struct {
	mu     sync.Mutex
	heard  map[platform.ID]int
	online []string
}

func (f *fakePresence) Online(t platform.TenantID, device string, online bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.online = append(f.online, fmt.Sprint(t, " ", device, " ", online))
}

func (f *fakePresence) Elsewhere(t platform.TenantID, device string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.online = append(f.online, fmt.Sprint(t, " ", device, " elsewhere"))
}

func (f *fakePresence) Heard(_ platform.TenantID, id platform.ID, _ time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.heard == nil {
		f.heard = map[platform.ID]int{}
	}
	f.heard[id]++
}

var (
	_ mqttapi.Devices       = (*fakeInventory)(nil)
	_ mqttapi.Objects       = (*fakeInventory)(nil)
	_ mqttapi.Telemetry     = (*fakeTelemetry)(nil)
	_ mqttapi.Authenticator = (*fakeAuth)(nil)
)
