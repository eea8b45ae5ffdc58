package agent_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mooring/agent/config"
)

func named(name, value string) []config.Named { return []config.Named{{Name: name, Value: value}} }

// everything allows all that can be allowed.
func everything(o *config.Operations, dir string) {
	o.Restart, o.RestartCommand, o.Renew, o.MeasurementInterval = true, filepath.Join(dir, "reboot"), true, true
	o.Configuration.Files = named("app", filepath.Join(dir, "app.conf"))
	o.Configuration.Apply = named("app", filepath.Join(dir, "apply"))
	o.Log.Files = named("syslog", filepath.Join(dir, "syslog"))
	o.Software.Types = []string{"pkg"}
	o.Firmware.Plugin = filepath.Join(dir, "fw")
	o.Shell.Commands = named("disk usage", filepath.Join(dir, "disk")+" -h")
}

// pkg is a package manager whose packages are files.
const pkg = `db="$0.db"; mkdir -p "$db"
case $1 in
list) cd "$db" && for f in *; do [ -e "$f" ] && printf '%s\t%s\n' "$f" "$(cat "$f")"; done; exit 0;;
install) [ "$2" = broken ] && { echo 'no such package' >&2; exit 2; }; echo "$2" >> "$0.log"
  [ "$5" = --file ] && cp "$6" "$0.file"; echo "$4" > "$db/$2";;
remove) rm -f "$db/$2";;
prepare|finalize) ;;
*) exit 1;;
esac
`

const fw = `echo "$1 $3" >> "$0.log"
case $1 in
install) cp "$4" "$0.staged"; echo "$3" > "$0.next"; [ "$3" = live ] && { cp "$0.next" "$0.runs"; exit 0; }; exit 4;;
check) [ "$(cat "$0.runs")" = "$3" ] || { echo "$(cat "$0.runs") runs" >&2; exit 2; };;
commit) cp "$0.runs" "$0.kept";;
esac
`

func startAll(t *testing.T) *opsRig {
	r := newOpsRig(t, everything)
	r.script("pkg", pkg)
	r.script("fw", fw)
	r.script("apply", "cp "+r.dir+"/app.conf "+r.dir+"/applied\n! grep -q bad "+r.dir+"/app.conf\n")
	r.script("disk", "echo \"$1: 42% \\\"used\\\"\"; exit $(cat "+r.dir+"/disk.status || echo 0)\n")
	r.script("reboot", "echo now >> \"$0.log\"\n")
	r.write("app.conf", "one\n")
	r.write("syslog", "2026-01-01T10:00:00Z first\n2026-01-02T10:00:00Z second ERROR\n")
	r.run()
	r.until("valid", valid)
	return r
}

// Every operation that is created comes to its end, with its effect.
func TestOperations(t *testing.T) {
	r := startAll(t)
	o := r.succeeds("c8y_Command", `{"text":"disk usage"}`)
	if got := string(o.Members["c8y_Command"]); !strings.Contains(got, `-h: 42% \"used\"`) {
		t.Errorf("command: got %s", got)
	}
	r.write("disk.status", "3")
	r.fails("c8y_Command", `{"text":"disk usage"}`, "exit status 3")
	r.fails("c8y_Command", `{"text":"rm -rf /"}`, "allows the commands disk usage")

	var log struct{ File string }
	o = r.succeeds("c8y_LogfileRequest", `{"logFile":"syslog","dateFrom":"2026-01-02T00:00:00+0000","dateTo":"2026-01-03T00:00:00+0000","searchText":"ERROR","maximumLines":10}`)
	if err := json.Unmarshal(o.Members["c8y_LogfileRequest"], &log); err != nil || r.get(log.File) != "2026-01-02T10:00:00Z second ERROR\n" {
		t.Errorf("log: got %q at %q, %v", r.get(log.File), log.File, err)
	}
	r.fails("c8y_LogfileRequest", `{"logFile":"secrets"}`, "has the logs syslog")
	r.fails("c8y_LogfileRequest", `{"logFile":"syslog","dateFrom":"yesterday"}`, "is no time")

	r.succeeds("c8y_UploadConfigFile", `{"type":"app"}`)
	events := r.get("/event/events?type=app&source=" + r.device)
	var list struct{ Events []struct{ ID string } }
	if err := json.Unmarshal([]byte(events), &list); err != nil || len(list.Events) != 1 || r.get("/event/events/"+list.Events[0].ID+"/binaries") != "one\n" {
		t.Errorf("configuration: got %s, %v", events, err)
	}
	r.fails("c8y_UploadConfigFile", `{"type":"shadow"}`, "has the configurations app")

	before := r.status()
	r.succeeds("mooring_RenewCertificate", `{}`)
	if after := r.status(); after.Serial == before.Serial {
		t.Error("renewal: the same certificate")
	}
	r.succeeds("c8y_MeasurementPollFrequencyOperation", `{"frequency":600}`)
	if got, err := r.disk.ReadFile(state + "/measurement-interval"); err != nil || !strings.HasSuffix(string(got), " 10m0s") {
		t.Errorf("interval: %q, %v", got, err)
	}
	r.fails("c8y_MeasurementPollFrequencyOperation", `{"frequency":"often"}`, "must be a number of seconds")
	r.fails("c8y_MeasurementPollFrequencyOperation", `{"frequency":1}`, "must be")
	r.fails("c8y_Relay", `{"relayState":"OPEN"}`, "does not carry out c8y_Relay")
	brew := r.create("acme_Brew", `{}`)
	r.succeeds("c8y_Command", map[bool]string{true: `{"text":" disk usage "}`}[os.Remove(filepath.Join(r.dir, "disk.status")) == nil])
	if o := r.operation(brew); o.Status != "PENDING" {
		t.Errorf("somebody else's operation: %s", o.Status)
	}
}

// What the device can do stands in the inventory.
func TestOperationsAnnounced(t *testing.T) {
	r := startAll(t)
	o := r.object()
	for name, want := range map[string]string{
		"c8y_SupportedOperations":     `["acme_Brew","c8y_Restart","c8y_UploadConfigFile","c8y_DownloadConfigFile","c8y_LogfileRequest","c8y_Firmware","c8y_SoftwareUpdate","c8y_Command","mooring_RenewCertificate","c8y_MeasurementPollFrequencyOperation"]`,
		"c8y_SupportedLogs":           `["syslog"]`,
		"c8y_SupportedConfigurations": `["app"]`,
		"c8y_SupportedSoftwareTypes":  `["pkg"]`,
	} {
		if got := string(o[name]); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// store puts a file into the server and returns its URL there.
func (r *opsRig) store(content string) string {
	r.t.Helper()
	return r.server.StoreBinary("file.bin", []byte(content))
}

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func TestDownloadConfig(t *testing.T) {
	r := startAll(t)
	url := r.store("two\n")
	r.succeeds("c8y_DownloadConfigFile", `{"type":"app","url":"`+url+`"}`)
	if r.read("app.conf") != "two\n" || r.read("applied") != "two\n" {
		t.Errorf("got %q, applied %q", r.read("app.conf"), r.read("applied"))
	}
	r.succeeds("c8y_DownloadConfigFile", `{"type":"app","url":"`+url+`#sha256=`+digest("two\n")+`"}`)
	r.fails("c8y_DownloadConfigFile", `{"type":"app","url":"`+url+`","sha256":"`+digest("three\n")+`"}`, "not the one of the operation")
	r.fails("c8y_DownloadConfigFile", `{"type":"app","url":"`+r.store("bad\n")+`"}`, "does not take effect")
	r.fails("c8y_DownloadConfigFile", `{"type":"app","url":"`+url+`0"}`, "answered 404")
	r.fails("c8y_DownloadConfigFile", `{"type":"shadow","url":"`+url+`"}`, "has the configurations app")
	r.fails("c8y_DownloadConfigFile", `{"type":"app","url":"https://elsewhere.example.com/x"}`, "needs a digest or a signature")
	r.fails("c8y_DownloadConfigFile", `{"type":"app","url":"file:///etc/shadow"}`, "no URL of a file")
	if r.read("app.conf") != "two\n" || r.read("applied") != "two\n" {
		t.Errorf("after failures: got %q, applied %q", r.read("app.conf"), r.read("applied"))
	}
	if left, err := r.disk.ReadDir(state + "/operations"); err != nil || len(left) != 1 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

func TestSoftware(t *testing.T) {
	r := startAll(t)
	url := r.store("content of b")
	r.succeeds("c8y_SoftwareUpdate", `[{"name":"a","version":"1.0","url":" ","action":"install"},{"name":"b","version":"2::pkg","url":"`+url+`","action":"install"}]`)
	if got := r.read("pkg.file"); got != "content of b" {
		t.Errorf("file: got %q", got)
	}
	installed := func() string {
		return r.get("/service/advanced-software-mgmt/software?deviceId=" + r.device)
	}
	if got := installed(); !strings.Contains(got, `{"name":"a","version":"1.0","softwareType":"pkg"},{"name":"b","version":"2","softwareType":"pkg"}`) {
		t.Errorf("the server knows %s", got)
	}
	r.succeeds("c8y_SoftwareUpdate", `[{"name":"a","version":"1.0","url":"","action":"delete","softwareType":"pkg"}]`)
	if got := r.read("pkg.db/a"); got != "" {
		t.Errorf("a is still there: %q", got)
	}
	r.fails("c8y_SoftwareUpdate", `[{"name":"broken","version":"1","action":"install"},{"name":"c","version":"3","action":"install"}]`, "no such package")
	if got := r.read("pkg.db/c"); got != "3\n" {
		t.Errorf("c: got %q", got)
	}
	r.fails("c8y_SoftwareUpdate", `[{"name":"a","version":"1","action":"explode"}]`, "is no action")
	r.fails("c8y_SoftwareUpdate", `[{"name":"--force","version":"1","action":"install"}]`, "begins with -")
	r.fails("c8y_SoftwareUpdate", `[{"name":"a","version":"1","action":"install","softwareType":"rpm"}]`, `"rpm"`)
	r.fails("c8y_SoftwareUpdate", `[]`, "1 to 256 changes")
	r.fails("c8y_SoftwareUpdate", `{}`, "cannot be read")
}

// Firmware that needs a restart is reported after it, once.
func TestFirmware(t *testing.T) {
	r := startAll(t)
	url := r.store("image 1")
	r.succeeds("c8y_Firmware", `{"name":"os","version":"live","url":"`+url+`"}`)
	if r.read("fw.staged") != "image 1" || r.read("fw.kept") != "live\n" {
		t.Errorf("staged %q, kept %q", r.read("fw.staged"), r.read("fw.kept"))
	}
	if got := string(r.object()["c8y_Firmware"]); !strings.Contains(got, `"version":"live"`) {
		t.Errorf("inventory: got %s", got)
	}
	for _, tt := range []struct{ version, runs, status, reason string }{
		{"2.0", "2.0", "SUCCESSFUL", ""},
		{"3.0", "2.0", "FAILED", "2.0 runs"},
	} {
		id := r.create("c8y_Firmware", `{"name":"os","version":"`+tt.version+`","url":"`+url+`"}`)
		before := strings.Count(r.read("reboot.log"), "now")
		r.untilFile("reboot.log", func(text string) bool { return strings.Count(text, "now") > before })
		if o := r.operation(id); o.Status != "EXECUTING" {
			t.Errorf("%s before the restart: %s", tt.version, o.Status)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r.write("fw.runs", tt.runs+"\n")
		r.boot.Add(1)
		r.start()
		if o := r.wait(id); o.Status != tt.status || !strings.Contains(o.FailureReason, tt.reason) {
			t.Errorf("%s: %s, %q", tt.version, o.Status, o.FailureReason)
		}
	}
	if got := r.read("fw.kept"); got != "2.0\n" {
		t.Errorf("kept %q", got)
	}
}

func (r *opsRig) untilFile(name string, ok func(string) bool) {
	r.t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok(r.read(name)) {
			return
		}
	}
	r.t.Fatalf("%s: never as wanted: %q", name, r.read(name))
}

func TestRestart(t *testing.T) {
	r := startAll(t)
	id := r.create("c8y_Restart", `{}`)
	r.untilFile("reboot.log", func(text string) bool { return text != "" })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.boot.Add(1)
	r.start()
	if o := r.wait(id); o.Status != "SUCCESSFUL" || r.read("reboot.log") != "now\n" {
		t.Errorf("got %s, %q; restarts %q", o.Status, o.FailureReason, r.read("reboot.log"))
	}
	// An agent that comes back without a restart of the system asks once more,
	// then says so.
	id = r.create("c8y_Restart", `{}`)
	for n := range 2 {
		r.untilFile("reboot.log", func(text string) bool { return text == strings.Repeat("now\n", n+2) })
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r.start()
	}
	if o := r.wait(id); o.Status != "FAILED" || !strings.Contains(o.FailureReason, "did not restart") {
		t.Errorf("got %s, %q", o.Status, o.FailureReason)
	}
	if got := fmt.Sprint(r.read("reboot.log")); got != "now\nnow\nnow\n" {
		t.Errorf("restarts: %q", got)
	}
}
