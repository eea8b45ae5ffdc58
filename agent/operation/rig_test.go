package operation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"mooring/agent/config"
	"mooring/agent/helper"
	"mooring/agent/operation"
	"mooring/agent/uplink"
	"mooring/internal/durable/durabletest"
	"mooring/internal/secret"
	"mooring/internal/smartrest"
	"mooring/server/servertest"
)

const (
	device = "dev1"
	server = "t1.example.com"
)

// order is an operation at the server.
type order struct {
	id, fragment, body, line string
	status                   string
	reason                   string
	values                   []string
	finals                   int // how often it came to an end
}

// world is what an agent's operations live in: a server, a connection, a helper,
// a disk. The agent may die and come back in it.
type world struct {
	t    testing.TB
	disk *durabletest.FS
	net  *servertest.Network
	ops  config.Operations
	edit func(*operation.Config)
	// lines keeps the server from speaking JSON.
	lines bool

	mu       sync.Mutex // guards what follows
	orders   []*order
	refused  []string // lines that fit no operation
	other    []string // lines that are about none
	topics   map[string]int
	messages chan uplink.Message
	number   uint64
	boot     int
	done     map[string]helper.Result // of the helper, by key
	effects  map[string]int           // what the helper did, by verb and name
	files    map[string]string        // what came with it
	answer   func(helper.Request) helper.Result
	data     map[helper.Verb]string
	tokens   int
	kill     context.CancelFunc
	ended    chan struct{}
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, disk: durabletest.New(), net: servertest.NewNetwork(), edit: func(*operation.Config) {},
		done: map[string]helper.Result{}, effects: map[string]int{}, files: map[string]string{}, data: map[helper.Verb]string{}, topics: map[string]int{}}
	o := config.Default().Operations
	o.Restart, o.Renew, o.MeasurementInterval = true, true, true
	o.Configuration.Files = []config.Named{{Name: "app", Value: "/app"}}
	o.Log.Files = []config.Named{{Name: "syslog", Value: "/syslog"}}
	o.Software.Types, o.Firmware.Plugin = []string{"apt"}, "/fw"
	o.Shell.Commands = []config.Named{{Name: "uptime", Value: "/uptime"}}
	w.ops = o
	w.data[helper.ListSoftware] = "[]"
	w.answer = func(helper.Request) helper.Result { return helper.Result{} }
	return w
}

// start brings the agent up; stop lets it die.
func (w *world) start() {
	w.t.Helper()
	c := operation.Config{
		Operations: w.ops, DeviceID: device, Server: server, Port: 443, FS: w.disk, Dir: "/operations",
		Uplink: w, Helper: w, Identity: identity{w}, BootID: func() string { w.mu.Lock(); defer w.mu.Unlock(); return fmt.Sprint("boot ", w.boot) },
		SetInterval: func(context.Context, time.Duration) error { w.effect("interval"); return nil },
		DialContext: w.net.DialContext, Now: time.Now,
	}
	w.edit(&c)
	ctx, cancel := context.WithCancel(w.t.Context())
	w.mu.Lock()
	w.messages, w.kill, w.ended = make(chan uplink.Message, 64), cancel, make(chan struct{})
	messages, ended := w.messages, w.ended
	w.mu.Unlock()
	go func() {
		defer close(ended)
		if err := operation.New(c).Run(ctx, messages); err != nil && !w.disk.WasCut() {
			w.t.Errorf("run: %v", err)
		}
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sendPending()
}

func (w *world) stop() {
	w.mu.Lock()
	kill, ended := w.kill, w.ended
	w.mu.Unlock()
	kill()
	<-ended
}

// create makes an operation; line is how it looks on s/ds.
func (w *world) create(fragment, body, line string) *order {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := &order{id: fmt.Sprint(100 + len(w.orders)), fragment: fragment, body: body, line: line, status: "PENDING"}
	w.orders = append(w.orders, o)
	w.send(o)
	return o
}

// send writes an operation to both topics, as the server does. The caller holds
// w.mu.
func (w *world) send(o *order) {
	if w.messages == nil {
		return
	}
	if o.line != "" {
		w.messages <- uplink.Message{Topic: "s/ds", Payload: []byte(o.line)}
	}
	if !w.lines {
		text := fmt.Sprintf(`{"delivery":{"status":"PENDING"},"deviceId":"7","id":%q,"status":"PENDING",%q:%s,"externalSource":{"externalId":%q,"type":"c8y_Serial"}}`,
			o.id, o.fragment, o.body, device)
		w.messages <- uplink.Message{Topic: "devicecontrol/notifications", Payload: []byte(text)}
	}
}

func (w *world) sendPending() {
	for _, o := range w.orders {
		if o.status == "PENDING" {
			w.send(o)
		}
	}
}

var errDead = errors.New("the agent is dead")

// Publish is the uplink's spool, which is on another disk, and the server behind
// it.
func (w *world) Publish(topic string, payload []byte) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.disk.WasCut() {
		return 0, errDead
	}
	w.topics[topic]++
	parsed, err := smartrest.Parse(payload)
	if err != nil {
		w.t.Errorf("published %q: %v", payload, err)
	}
	for _, l := range parsed {
		if l.Err != nil {
			w.t.Errorf("published %q: %v", cutText(l.Raw), l.Err)
		}
		w.report(l)
	}
	w.number++
	return w.number, nil
}

// Delivered is at once.
func (w *world) Delivered(ctx context.Context, _ uint64) error {
	if w.disk.WasCut() {
		<-ctx.Done()
		return errDead
	}
	return nil
}

func cutText(s string) string { return s[:min(len(s), 100)] }

func (w *world) report(l smartrest.Line) {
	from, to := "EXECUTING", ""
	switch l.TemplateID {
	case "500":
		w.sendPending()
		return
	case "501", "504":
		from, to = "PENDING", "EXECUTING"
	case "502", "505":
		to = "FAILED"
	case "503", "506":
		to = "SUCCESSFUL"
	default:
		w.other = append(w.other, l.Raw)
		return
	}
	for _, o := range w.orders {
		byID := l.TemplateID >= "504"
		if o.status == from && (byID && o.id == l.Field(0) || !byID && o.fragment == l.Field(0)) {
			o.status = to
			if to != "EXECUTING" {
				o.finals++
				o.reason, o.values = l.Field(1), l.Fields[1:]
			}
			return
		}
	}
	w.refused = append(w.refused, l.Raw)
}

func (w *world) Token(context.Context) (secret.String, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens++
	return secret.New(deviceToken), nil
}

func (w *world) Forget(context.Context, secret.String) {}

// identity is a certificate that is renewed at once.
type identity struct{ w *world }

func (i identity) Generation() uint32 {
	i.w.mu.Lock()
	defer i.w.mu.Unlock()
	return uint32(i.w.effects["renew"])
}

func (i identity) Renew(ctx context.Context) error {
	if i.w.disk.WasCut() {
		<-ctx.Done()
		return errDead
	}
	i.w.effect("renew")
	return nil
}

func (w *world) effect(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.effects[what]++
}

// Do is a helper that keeps its promise: one key, one effect.
func (w *world) Do(ctx context.Context, r helper.Request, out io.Writer, files ...io.Reader) (helper.Result, error) {
	var came []string
	for _, f := range files {
		text, err := io.ReadAll(f)
		if err != nil {
			return helper.Result{}, err
		}
		came = append(came, string(text))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.disk.WasCut() {
		return helper.Result{}, errDead
	}
	if r.Key != "" {
		if result, ok := w.done[r.Key]; ok {
			return result, nil
		}
	}
	result := w.answer(r)
	if result.Error == "" && !result.Interrupted {
		w.effects[strings.TrimSpace(string(r.Verb)+" "+r.Name)]++
		w.files[string(r.Verb)] = strings.Join(came, "|")
	}
	if r.Key != "" {
		w.done[r.Key] = result
	}
	if out != nil {
		if _, err := out.Write([]byte(w.data[r.Verb])); err != nil {
			return helper.Result{}, err
		}
	}
	if r.Verb == helper.Restart {
		w.boot++
		w.kill()
	}
	return result, nil
}

// settle lets the agent work until an operation is over; one that dies is
// started again, on what its disk holds.
func (w *world) settle(o *order) {
	w.t.Helper()
	for range 100 {
		time.Sleep(time.Minute) // of simulated time
		select {
		case <-w.ended:
			w.start()
		default:
		}
		w.mu.Lock()
		over := o.finals > 0
		w.mu.Unlock()
		if over {
			time.Sleep(time.Minute)
			return
		}
	}
	w.t.Errorf("operation %s %s never ended: %s", o.id, o.fragment, o.status)
}

// want checks how an operation ended.
func (w *world) want(o *order, status, reason string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if o.status != status || o.finals != 1 || !strings.Contains(o.reason, reason) {
		w.t.Errorf("%s %s: %s %q, %d ends; want %s %q", o.fragment, o.body, o.status, o.reason, o.finals, status, reason)
	}
}

// journal is what is on the disk.
func (w *world) journal() (c struct {
	Entries []json.RawMessage
	Done    []string
}) {
	w.t.Helper()
	text, err := w.disk.ReadFile("/operations/journal.json")
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(text)).Decode(&c)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}
