package operation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/operation"
	"mooring/server/platform"
)

// TestAgent: the connection that an operation travels by (mqtt.md §5.1).
func TestAgent(t *testing.T) {
	r := open(t)
	below := func(parent platform.ID) platform.ChildLink {
		return platform.ChildLink{Parent: parent, Kind: platform.ChildDevices}
	}
	service := func(parent platform.ID) platform.ChildLink {
		return platform.ChildLink{Parent: parent, Kind: platform.ChildAdditions}
	}
	asset := platform.ChildLink{Parent: 1, Kind: platform.ChildAssets}
	r.things.add(1, "gateway", true)
	r.things.add(2, "child", false, below(1))
	r.things.add(3, "grandchild", false, below(2))
	r.things.add(4, "service of a grandchild", false, service(3))
	r.things.add(5, "child with a connection", true, below(1))
	r.things.add(6, "below it", false, below(5))
	r.things.add(7, "of two gateways", false, below(6), below(2), below(1))
	r.things.add(8, "alone", false)
	r.things.add(9, "below one that is alone", false, below(8))
	r.things.add(10, "in a group", false, asset)
	r.things.add(11, "ring", false, below(12))
	r.things.add(12, "ring", false, below(11))
	for device, want := range map[platform.ID]platform.ID{1: 1, 2: 1, 3: 1, 4: 1, 5: 5, 6: 5, 7: 1, 8: 8, 9: 8, 10: 10} {
		if o := r.order(device, `"a":1`); o.Agent != want {
			t.Errorf("operation of %d goes to %d, want %d", device, o.Agent, want)
		}
	}
	r.order(11, `"a":1`) // ends
	_, err := r.Create(t.Context(), admin, 99, nil)
	wantKind(t, err, problem.NotFound)
	_, err = r.Create(t.Context(), platform.Principal{Tenant: "t2"}, 1, nil)
	wantKind(t, err, problem.NotFound)
}

// TestStates: which state follows which, and what is told and written of it.
func TestStates(t *testing.T) {
	all := []platform.OperationStatus{platform.OperationPending, platform.OperationExecuting, platform.OperationSuccessful, platform.OperationFailed}
	allowed := map[string]bool{
		"PENDING PENDING": true, "PENDING EXECUTING": true, "PENDING SUCCESSFUL": true, "PENDING FAILED": true,
		"EXECUTING EXECUTING": true, "EXECUTING SUCCESSFUL": true, "EXECUTING FAILED": true,
		"SUCCESSFUL SUCCESSFUL": true, "FAILED FAILED": true,
	}
	for _, from := range all {
		for _, to := range all {
			r := open(t)
			r.things.add(1, "dev", true)
			o := r.order(1, `"a":1`)
			_, err := r.Update(t.Context(), admin, o.ID, operation.Change{Status: from, FailureReason: "first"})
			check(t, err)
			r.pass(time.Second)
			got, err := r.Update(t.Context(), admin, o.ID, operation.Change{Status: to, FailureReason: "second"})
			if key := string(from) + " " + string(to); (err == nil) != allowed[key] || err != nil && problem.KindOf(err) != problem.Unprocessable {
				t.Errorf("%s: %v", key, err)
			}
			if err == nil && (got.Status != to || !reflect.DeepEqual(got, r.read(o.ID))) {
				t.Errorf("got %+v, stored %+v", got, r.read(o.ID))
			}
			if reason := r.read(o.ID).FailureReason; from == platform.OperationFailed && reason != "first" || from != platform.OperationFailed && to == platform.OperationFailed && err == nil && reason != "second" {
				t.Errorf("%s to %s: reason %q", from, to, reason)
			}
		}
	}
	r := open(t)
	r.things.add(1, "dev", true)
	o := r.order(1, `"a":1`)
	for _, s := range []platform.OperationStatus{platform.OperationExecuting, platform.OperationExecuting, platform.OperationSuccessful} {
		_, err := r.Update(t.Context(), admin, o.ID, operation.Change{Status: s})
		check(t, err)
	}
	if want := []string{"operations CREATE PENDING of 1", "operations UPDATE EXECUTING of 1", "operations UPDATE SUCCESSFUL of 1"}; !reflect.DeepEqual(r.told, want) {
		t.Errorf("told %q, want %q", r.told, want)
	}
	_, err := r.Update(t.Context(), admin, 999, operation.Change{Status: platform.OperationFailed})
	wantKind(t, err, problem.NotFound)
}

// TestResults: what success brings besides the state (mqtt.md §4.6).
func TestResults(t *testing.T) {
	for _, tt := range []struct {
		name, members, fragment string
		values                  []string
		wantFragment, wantSet   string
	}{
		{"command", `"c8y_Command":{"text":"ls"}`, "c8y_Command", []string{"done"}, `{"result":"done","text":"ls"}`, ""},
		{"command, unquoted commas", `"c8y_Command":{"text":"ls"}`, "c8y_Command", []string{"a", "b", ""}, `{"result":"a,b","text":"ls"}`, ""},
		{"command, nothing", `"c8y_Command":{"text":"ls"}`, "c8y_Command", nil, `{"text":"ls"}`, ""},
		{"log", `"c8y_LogfileRequest":{"logFile":"x"}`, "c8y_LogfileRequest", []string{"http://f"}, `{"file":"http://f","logFile":"x"}`, ""},
		{"upload", `"c8y_UploadConfigFile":{}`, "c8y_UploadConfigFile", []string{"http://f"}, `{"file":"http://f"}`, ""},
		{"relays", `"c8y_RelayArray":["OPEN"]`, "c8y_RelayArray", []string{"OPEN", "CLOSED"}, `["OPEN"]`, `{"c8y_RelayArray":["OPEN","CLOSED"]}`},
		{"relays as ordered", `"c8y_RelayArray":["OPEN"]`, "c8y_RelayArray", nil, `["OPEN"]`, `{"c8y_RelayArray":["OPEN"]}`},
		{"mode", `"c8y_CommunicationMode":{"mode":"SMS"}`, "c8y_CommunicationMode", nil, `{"mode":"SMS"}`, `{"c8y_CommunicationMode":{"mode":"SMS"}}`},
		{"download", `"c8y_DownloadConfigFile":{"url":"u","c8y_ConfigurationDump":{"id":"5"}}`, "c8y_DownloadConfigFile", nil,
			`{"url":"u","c8y_ConfigurationDump":{"id":"5"}}`, `{"c8y_ConfigurationDump":{"id":"5","time":"2026-01-01T00:00:00.000Z"}}`},
		{"download, time", `"c8y_DownloadConfigFile":{"url":"u","c8y_ConfigurationDump":{"id":"5"}}`, "c8y_DownloadConfigFile", []string{"2020-01-01T00:00:00Z"},
			`{"url":"u","c8y_ConfigurationDump":{"id":"5"}}`, `{"c8y_ConfigurationDump":{"id":"5","time":"2020-01-01T00:00:00Z"}}`},
		{"download, typed", `"c8y_DownloadConfigFile":{"url":"u","type":"t"}`, "c8y_DownloadConfigFile", nil, `{"url":"u","type":"t"}`, ""},
		{"any other", `"c8y_Restart":{}`, "c8y_Restart", []string{"x"}, `{}`, ""},
	} {
		for _, byID := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, " by ID ", byID), func(t *testing.T) {
				r := open(t)
				r.things.add(1, "dev", true)
				o := r.order(1, tt.members)
				report := operation.Report{Fragment: tt.fragment, Status: platform.OperationExecuting}
				if byID {
					report.ID, report.Fragment = o.ID, ""
				}
				check(t, r.Report(t.Context(), admin, 1, report))
				report.Status, report.Values = platform.OperationSuccessful, tt.values
				check(t, r.Report(t.Context(), admin, 1, report))
				if got := r.read(o.ID); got.Status != platform.OperationSuccessful || string(got.Fragments[tt.fragment]) != tt.wantFragment {
					t.Errorf("got %s %s, want %s", got.Status, got.Fragments[tt.fragment], tt.wantFragment)
				}
				set := ""
				for _, u := range r.things.updates {
					b, err := json.Marshal(u.Set)
					check(t, err)
					set += string(b)
				}
				if set != tt.wantSet {
					t.Errorf("object got %s, want %s", set, tt.wantSet)
				}
			})
		}
	}
}

// TestResultIsCutShort: if the object cannot be changed the operation stays, so
// that the same report ends it later.
func TestResultIsCutShort(t *testing.T) {
	r := open(t)
	r.things.add(1, "dev", true)
	o := r.order(1, `"c8y_RelayArray":["OPEN"]`)
	check(t, r.Report(t.Context(), admin, 1, operation.Report{ID: o.ID, Status: platform.OperationExecuting}))
	r.things.err = problem.New(problem.Unavailable, "", nil)
	done := operation.Report{ID: o.ID, Status: platform.OperationSuccessful, Values: []string{"CLOSED"}}
	wantKind(t, r.Report(t.Context(), admin, 1, done), problem.Unavailable)
	if got := r.read(o.ID).Status; got != platform.OperationExecuting {
		t.Errorf("got %s", got)
	}
	r.things.err = nil
	check(t, r.Report(t.Context(), admin, 1, done))
	check(t, r.Report(t.Context(), admin, 1, done)) // it comes twice
	if n := len(r.things.updates); n != 2 || r.read(o.ID).Status != platform.OperationSuccessful {
		t.Errorf("%d updates, %s", n, r.read(o.ID).Status)
	}
}

func TestPending(t *testing.T) {
	r := open(t)
	r.things.add(1, "dev", true)
	r.things.add(2, "child", false, platform.ChildLink{Parent: 1, Kind: platform.ChildDevices})
	const n = 70 // more than two pages
	for i := range n {
		r.order(platform.ID(1+i%2), `"c8y_SoftwareUpdate":[]`)
	}
	gone := r.order(2, `"c8y_Restart":{}`)
	ended := r.order(1, `"c8y_Restart":{}`)
	_, err := r.Update(t.Context(), admin, ended.ID, operation.Change{Status: platform.OperationFailed})
	check(t, err)
	r.things.objects[2].Fragments["c8y_SupportedSoftwareTypes"] = json.RawMessage(`["apt"]`)
	count := func() (dev, child int) {
		after, more := platform.ID(0), true
		for more {
			var ops []platform.AddressedOperation
			var next platform.ID
			ops, next, more, err = r.Pending(t.Context(), tenant, 1, after)
			check(t, err)
			for _, o := range ops {
				if o.ID <= after {
					t.Fatalf("%d after %d", o.ID, after)
				}
				switch {
				case o.Target == platform.ExternalID{Type: platform.SerialType, Value: "dev"} && !o.SoftwareTypes:
					dev++
				case o.Target == platform.ExternalID{Type: platform.SerialType, Value: "child"} && o.SoftwareTypes == (o.ID != gone.ID):
					child++
				default:
					t.Errorf("got %+v", o)
				}
			}
			after = next
		}
		return dev, child
	}
	if dev, child := count(); dev != n/2 || child != n/2+1 {
		t.Errorf("got %d and %d", dev, child)
	}
	_, found, err := r.PendingOperation(t.Context(), tenant, 1, gone.ID)
	if !found || err != nil {
		t.Errorf("got %v, %v", found, err)
	}
	r.things.mu.Lock()
	delete(r.things.objects, 2) // its operations are nobody's now
	r.things.mu.Unlock()
	if dev, child := count(); dev != n/2 || child != 0 {
		t.Errorf("got %d and %d", dev, child)
	}
	for _, tt := range []struct {
		tenant    platform.TenantID
		agent, id platform.ID
	}{{tenant, 1, gone.ID}, {tenant, 1, ended.ID}, {tenant, 2, ended.ID}, {tenant, 1, 99999}, {"t2", 1, gone.ID}} {
		if _, found, err := r.PendingOperation(t.Context(), tt.tenant, tt.agent, tt.id); found || err != nil {
			t.Errorf("%+v: %v, %v", tt, found, err)
		}
	}
	if ops, _, _, err := r.Pending(t.Context(), "t2", 1, 0); len(ops) != 0 || err != nil {
		t.Errorf("another tenant: %v, %v", ops, err)
	}
}

// TestTimeouts: operations end by themselves only where the tenant says so.
func TestTimeouts(t *testing.T) {
	r := open(t)
	r.things.add(1, "dev", true)
	var pending, executing []platform.Operation
	for range 40 { // more than a page
		pending = append(pending, r.order(1, `"a":1`))
		o := r.order(1, `"a":1`)
		_, err := r.Update(t.Context(), admin, o.ID, operation.Change{Status: platform.OperationExecuting})
		check(t, err)
		executing = append(executing, o)
	}
	r.pass(10 * time.Minute)
	late := r.order(1, `"a":1`)
	want := func(what string, ops []platform.Operation, status platform.OperationStatus, reason string) {
		t.Helper()
		_, err := r.FailOverdue(t.Context())
		check(t, err)
		for _, o := range ops {
			if got := r.read(o.ID); got.Status != status || got.FailureReason != reason {
				t.Fatalf("%s: %s %q", what, got.Status, got.FailureReason)
			}
		}
	}
	want("not set", pending, platform.OperationPending, "")
	for _, odd := range []string{"", "0", "-1", "x", "1e3", "99999999999"} {
		r.options[platform.OptionPendingTimeout] = odd
		want("odd "+odd, pending, platform.OperationPending, "")
	}
	r.options[platform.OptionPendingTimeout] = "10"
	want("not yet", pending, platform.OperationPending, "")
	r.pass(time.Millisecond)
	want("pending", pending, platform.OperationFailed, "Timed out: the device did not start the operation within 10 minutes.")
	want("later ones", []platform.Operation{late}, platform.OperationPending, "")
	want("executing", executing, platform.OperationExecuting, "")
	r.options[platform.OptionExecutingTimeout] = "10"
	want("executing", executing, platform.OperationFailed, "Timed out: the device did not finish the operation within 10 minutes.")
}

func TestBounds(t *testing.T) {
	r := open(t)
	r.things.add(1, "dev", true)
	create := func(f platform.Fragments) error {
		_, err := r.Create(t.Context(), admin, 1, f)
		return err
	}
	size := func(n int) platform.Fragments {
		return platform.Fragments{"f": json.RawMessage(`"` + strings.Repeat("x", n-len(`f""`)) + `"`)}
	}
	many := func(n int) platform.Fragments {
		f := platform.Fragments{}
		for i := range n {
			f[fmt.Sprint("f", i)] = json.RawMessage("1")
		}
		return f
	}
	for _, tt := range []struct {
		name string
		f    platform.Fragments
		want problem.Kind
	}{
		{"bytes-1", size(operation.MaxFragmentsBytes - 1), ""}, {"bytes", size(operation.MaxFragmentsBytes), ""}, {"bytes+1", size(operation.MaxFragmentsBytes + 1), problem.Unprocessable},
		{"fragments-1", many(operation.MaxFragments - 1), ""}, {"fragments", many(operation.MaxFragments), ""}, {"fragments+1", many(operation.MaxFragments + 1), problem.Unprocessable},
		{"name-1", platform.Fragments{strings.Repeat("n", operation.MaxNameBytes-1): json.RawMessage("1")}, ""},
		{"name", platform.Fragments{strings.Repeat("n", operation.MaxNameBytes): json.RawMessage("1")}, ""},
		{"name+1", platform.Fragments{strings.Repeat("n", operation.MaxNameBytes+1): json.RawMessage("1")}, problem.Unprocessable},
		{"empty name", platform.Fragments{"": json.RawMessage("1")}, problem.Unprocessable},
		{"zero byte", platform.Fragments{"a\x00": json.RawMessage("1")}, problem.Unprocessable},
	} {
		if err := create(tt.f); problem.KindOf(err) != tt.want {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	// It does not grow beyond by many small changes.
	o, err := r.Create(t.Context(), admin, 1, size(operation.MaxFragmentsBytes-10))
	check(t, err)
	_, err = r.Update(t.Context(), admin, o.ID, operation.Change{Status: platform.OperationExecuting, Set: platform.Fragments{"more": json.RawMessage(`"123456"`)}})
	wantKind(t, err, problem.Unprocessable)
	_, err = r.Update(t.Context(), admin, o.ID, operation.Change{Status: platform.OperationExecuting, Merge: map[string]platform.Fragments{"more": {"m": json.RawMessage(`"123456"`)}}})
	wantKind(t, err, problem.Unprocessable)
	got, err := r.Update(t.Context(), admin, o.ID, operation.Change{Status: platform.OperationFailed, FailureReason: strings.Repeat("ä", operation.MaxReasonBytes)})
	check(t, err)
	if len(got.FailureReason) != operation.MaxReasonBytes || !strings.HasSuffix(got.FailureReason, "ä") {
		t.Errorf("a reason of %d bytes", len(got.FailureReason))
	}
}

// TestDelete removes more than one transaction does, and tells of each.
func TestDelete(t *testing.T) {
	r := open(t)
	var ops []platform.Operation
	for range 1201 {
		id, err := r.store.NewID(t.Context())
		check(t, err)
		ops = append(ops, platform.Operation{ID: id, Device: 1, Agent: 1, Status: platform.OperationPending})
	}
	check(t, r.store.CreateOperations(t.Context(), tenant, ops))
	check(t, r.Delete(t.Context(), admin, platform.OperationFilter{Device: 1}))
	if len(r.told) != len(ops) || r.told[len(ops)-1] != "operations DELETE  of 1" {
		t.Errorf("told %d of %d, at last %q", len(r.told), len(ops), r.told[len(r.told)-1])
	}
	l, err := r.Operations(t.Context(), tenant, platform.OperationFilter{}, platform.Page{Number: 1, Size: 5})
	if err != nil || len(l.Items) != 0 {
		t.Errorf("got %v, %v", l, err)
	}
	audit, err := r.store.AuditRecords(t.Context(), tenant, platform.AuditFilter{Type: "Operation"}, platform.Page{Number: 1, Size: 5})
	if err != nil || len(audit.Items) != 1 || audit.Items[0].Text != "Operations deleted: deviceId=1" {
		t.Errorf("got %+v, %v", audit.Items, err)
	}
}

// TestDeliveriesAreNoted, those too that wait when the service ends.
func TestDeliveriesAreNoted(t *testing.T) {
	r := open(t)
	r.things.add(1, "dev", true)
	o := r.order(1, `"a":1`)
	r.pass(time.Second)
	r.Delivered(tenant, o.ID, 424242)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Run(ctx)
	got := r.read(o.ID)
	if len(got.Deliveries) != 1 || !got.Forwarded().Equal(r.clock()) {
		t.Errorf("got %v", got.Deliveries)
	}
	for at, want := range map[time.Time]bool{r.clock(): false, r.clock().Add(time.Millisecond): true} {
		if r.Forwarded(&got, at) != want {
			t.Errorf("forwarded before %s: %v", at, !want)
		}
	}
	for range 20_000 { // more than waits: none blocks
		r.Delivered(tenant, o.ID)
	}
}

// TestRace: a report and a cancellation at once leave one end.
func TestRace(t *testing.T) {
	r := open(t)
	r.things.add(1, "dev", true)
	for range 20 {
		o := r.order(1, `"a":1`)
		var racing sync.WaitGroup
		errs := make([]error, 2)
		for i, s := range []platform.OperationStatus{platform.OperationSuccessful, platform.OperationFailed} {
			racing.Go(func() { _, errs[i] = r.Update(context.Background(), admin, o.ID, operation.Change{Status: s}) })
		}
		racing.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), problem.Conflict) && !errors.Is(errors.Join(errs...), problem.Unprocessable) {
			t.Fatalf("got %v", errs)
		}
	}
}
