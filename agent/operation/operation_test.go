package operation_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/helper"
	"mooring/agent/operation"
)

func copyAll(w io.Writer, r io.Reader) (int64, error) { return io.Copy(w, r) }

// inBubble runs a test in simulated time, with an agent that is up.
func inBubble(t *testing.T, body func(t *testing.T, w *world, s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.serve(t)
		w.start()
		body(t, w, s)
		w.stop()
	})
}

// The same operations in both languages.
var orders = []struct{ name, fragment, body, line, effect string }{
	{"restart", "c8y_Restart", `{}`, "510,dev1", "restart"},
	{"command", "c8y_Command", `{"text":"uptime"}`, "511,dev1,uptime", "command uptime"},
	{"upload", "c8y_UploadConfigFile", `{"type":"app"}`, "526,dev1,app", "read-config app"},
	{"download", "c8y_DownloadConfigFile", `{"type":"app","url":"https://t1.example.com/conf"}`, "524,dev1,https://t1.example.com/conf,app", "write-config app"},
	{"log", "c8y_LogfileRequest", `{"logFile":"syslog","maximumLines":"10"}`, "522,dev1,syslog,,,,10", "read-log syslog"},
	{"firmware", "c8y_Firmware", `{"name":"os","version":"1","url":"https://t1.example.com/image"}`, "515,dev1,os,1,https://t1.example.com/image", "install-firmware os"},
	{"renew", "mooring_RenewCertificate", `{}`, "", "renew"},
	{"interval", "c8y_MeasurementPollFrequencyOperation", `{"frequency":"60"}`, "", "interval"},
	{"software", "c8y_SoftwareUpdate", `[{"name":"a","version":"1","url":"https://t1.example.com/image","action":"install"}]`, "528,dev1,a,1,https://t1.example.com/image,install", "update-software"},
}

func files(s *site) {
	s.files["/conf"], s.files["/image"] = "new\n", strings.Repeat("0123456789", 120_000)
}

// Each operation is carried out once, whichever language the server speaks.
func TestBothLanguages(t *testing.T) {
	for _, lines := range []bool{false, true} {
		for _, tt := range orders {
			if lines && tt.line == "" {
				continue // there is no line for it
			}
			t.Run(fmt.Sprintf("%s, lines %v", tt.name, lines), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.lines = lines
					site := w.serve(t)
					files(site)
					if lines { // the device's ID is not said
						site.handle = deviceKnown
					}
					w.start()
					o := w.create(tt.fragment, tt.body, tt.line)
					w.settle(o)
					w.want(o, "SUCCESSFUL", "")
					w.stop()
					if w.effects[tt.effect] != 1 || len(w.refused) > 0 {
						t.Errorf("effects %v, refused %q", w.effects, w.refused)
					}
					if got := w.journal(); len(got.Entries) > 0 || !lines && (len(got.Done) != 1 || got.Done[0] != o.id) {
						t.Errorf("the journal has %s", got)
					}
				})
			})
		}
	}
}

// An operation that comes again and again is carried out once.
func TestRepeated(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *site) {
		o := w.create("c8y_Command", `{"text":"uptime"}`, "511,dev1,uptime")
		for range 10 {
			w.mu.Lock()
			w.send(o)
			w.mu.Unlock()
		}
		w.settle(o)
		w.mu.Lock()
		w.send(o)
		w.mu.Unlock()
		time.Sleep(time.Minute)
		w.want(o, "SUCCESSFUL", "")
		if w.effects["command uptime"] != 1 {
			t.Errorf("effects %v", w.effects)
		}
	})
}

// What is unknown, for somebody else, or too long is refused, and nothing else
// happens.
func TestRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *site) {
		for _, tt := range []struct{ fragment, body, reason string }{
			{"c8y_Relay", `{"relayState":"OPEN"}`, "does not carry out c8y_Relay"},
			{"x", `1`, "does not carry out x"},
			{"c8y_Command", `{"text":"reboot"}`, "allows the commands uptime"},
			{"c8y_Command", `[]`, "c8y_Command must not be of the kind array"},
			{"c8y_Command", `{"text":5}`, "c8y_Command.text must not be of the kind number"},
			{"description", `"nothing"`, "does not say what to do"},
			{"c8y_Command", `{"text":"` + strings.Repeat("x", 64<<10) + `"}`, "longer than this device takes"},
			{strings.Repeat("f", 257), `{}`, "longer than this device takes"},
			{"c8y_Firmware", `{"name":"os"}`, "no URL"},
			{"c8y_SoftwareUpdate", `[]`, "1 to 256"},
			{"c8y_LogfileRequest", `{"logFile":"syslog","maximumLines":"x"}`, ""},
		} {
			o := w.create(tt.fragment, tt.body, "")
			w.settle(o)
			w.want(o, "FAILED", tt.reason)
		}
		if len(w.effects) > 1 { // the list of software
			t.Errorf("effects %v", w.effects)
		}
		w.mu.Lock()
		for _, text := range []string{"", "{", "null", "[]", `{"id":7}`, `{"status":"PENDING"}`, strings.Repeat("[", 100_000)} {
			w.send(&order{id: "x", fragment: "c8y_Restart", body: `{}`, line: text})
		}
		w.mu.Unlock()
	})
}

// Of a child's operation is said that nobody acts for it, under its name.
func TestChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lines = true
		w.start()
		o := w.create("c8y_Restart", `{}`, "510,child1")
		w.settle(o)
		w.want(o, "FAILED", "acts for no other device")
		w.stop()
		if w.topics["s/us/child1"] != 2 || w.boot != 0 {
			t.Errorf("topics %v, restarts %d", w.topics, w.boot)
		}
	})
}

// A result that is too long for a message is cut; what is no text is replaced.
func TestLongResult(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *site) {
		w.answer = func(helper.Request) helper.Result { return helper.Result{Output: strings.Repeat(`"é`, 9000)} }
		o := w.create("c8y_Command", `{"text":"uptime"}`, "")
		w.settle(o)
		w.want(o, "SUCCESSFUL", "")
		if n := len(o.values[0]); n < 8000 || n > 15000 || !strings.HasPrefix(o.values[0], `"é"é`) {
			t.Errorf("%d bytes", n)
		}
		w.answer = func(helper.Request) helper.Result { return helper.Result{Error: strings.Repeat("é", 400)} }
		o = w.create("c8y_Command", `{"text":"uptime"}`, "")
		w.settle(o)
		w.want(o, "FAILED", strings.Repeat("é", 250))
		if len(o.reason) > 500 {
			t.Errorf("reason of %d bytes", len(o.reason))
		}
	})
}

// A helper that was stopped in the middle is asked anew where that does no harm.
func TestInterruptedHelper(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *site) {
		files(s)
		interrupted := 0
		w.answer = func(helper.Request) helper.Result {
			if interrupted--; interrupted >= 0 {
				return helper.Result{Interrupted: true, Error: "stopped"}
			}
			return helper.Result{}
		}
		for _, tt := range []struct {
			n      int
			order  int
			status string
		}{{2, 3, "SUCCESSFUL"}, {3, 3, "FAILED"}, {1, 1, "FAILED"}} {
			w.mu.Lock()
			interrupted = tt.n
			w.mu.Unlock()
			o := w.create(orders[tt.order].fragment, orders[tt.order].body, "")
			w.settle(o)
			w.want(o, tt.status, "")
		}
	})
}

// More than 32 operations wait at the server, none is lost.
func TestManyAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ *site) {
		var list []*order
		for range 50 {
			list = append(list, w.create("c8y_Command", `{"text":"uptime"}`, ""))
		}
		for _, o := range list {
			w.settle(o)
			w.want(o, "SUCCESSFUL", "")
		}
		if w.effects["command uptime"] != 50 {
			t.Errorf("effects %v", w.effects)
		}
	})
}

// A journal that cannot be read is set aside, and what the server believes to
// be executing is given up.
func TestDamagedJournal(t *testing.T) {
	for _, text := range []string{"", "{", `{"entries":[null]}`, `{"entries":[{"key":"../..","phase":"running"}]}`, `{"entries":[{"key":"0123456789abcdef0123456789abcdef","phase":"ended"}]}`} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			put(t, w.disk, "/operations/journal.json", text)
			w.start()
			time.Sleep(time.Minute)
			o := w.create("c8y_Command", `{"text":"uptime"}`, "")
			w.settle(o)
			w.want(o, "SUCCESSFUL", "")
			w.stop()
			said := strings.Join(w.other, "\n")
			if !strings.Contains(said, "507,c8y_Restart,the device lost its notes") {
				t.Errorf("%q: said %q", text, said)
			}
			if got, err := w.disk.ReadFile("/operations/journal.json.damaged"); err != nil || string(got) != text {
				t.Errorf("%q: set aside %q, %v", text, got, err)
			}
		})
	}
}

// The list of software fits lines and messages, however long it is.
func TestSoftwareList(t *testing.T) {
	for _, n := range []int{0, 1, 249, 250, 251, 5000} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			var list []helper.Package
			for i := range n {
				list = append(list, helper.Package{Type: "apt", Name: fmt.Sprintf("package-%d", i), Version: strings.Repeat("1", i%100)})
			}
			text, err := json.Marshal(list)
			if err != nil {
				t.Fatal(err)
			}
			w.data[helper.ListSoftware] = string(text)
			w.start()
			time.Sleep(time.Minute)
			w.stop()
			found := 0
			for i, line := range w.other {
				if want := map[bool]string{true: "140,", false: "141,"}[i == 0]; !strings.HasPrefix(line, want) || len(line) > 15000 {
					t.Errorf("line %d: %d bytes %q", i, len(line), line[:20])
				}
				found += strings.Count(line, "package-")
			}
			if found != n || len(w.other) == 0 {
				t.Errorf("%d packages: %d in %d lines", n, found, len(w.other))
			}
		})
	}
}

func TestHello(t *testing.T) {
	w := newWorld(t)
	m := operation.New(operation.Config{Operations: w.ops, Identity: identity{w}, Others: []string{"acme_Brew"}})
	want := []string{"114,acme_Brew,c8y_Restart,c8y_UploadConfigFile,c8y_DownloadConfigFile,c8y_LogfileRequest,c8y_Firmware,c8y_SoftwareUpdate,c8y_Command,mooring_RenewCertificate",
		"118,syslog", "119,app", "143,apt"}
	if got := m.Hello(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", got)
	}
	if got := operation.New(operation.Config{}).Hello(); got != nil {
		t.Errorf("nothing allowed: got %q", got)
	}
}
