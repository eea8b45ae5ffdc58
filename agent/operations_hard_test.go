package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/agent/config"
)

// An agent that is stopped while a command runs reports its result after it is
// back, and the command ran once. So it is with software.
func TestStoppedInTheMiddle(t *testing.T) {
	r := startAll(t)
	hold := "echo started >> \"$0.log\"; while [ -e " + r.dir + "/hold ]; do sleep 0.01; done\n"
	r.script("disk", hold+"echo result\n")
	r.script("pkg", `[ "$1" = install ] || exit $([ "$1" = update-list ] && echo 1 || echo 0)`+"\n"+hold)
	for _, tt := range []struct{ fragment, body, log string }{
		{"c8y_Command", `{"text":"disk usage"}`, "disk.log"},
		{"c8y_SoftwareUpdate", `[{"name":"a","version":"1","action":"install"}]`, "pkg.log"},
	} {
		r.write("hold", "")
		id := r.create(tt.fragment, tt.body)
		r.untilFile(tt.log, func(text string) bool { return text != "" })
		for range 2 {
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			r.start()
			r.until("connected again", valid)
		}
		if o := r.operation(id); o.Status != "EXECUTING" {
			t.Errorf("%s: %s in the middle", tt.fragment, o.Status)
		}
		if err := os.Remove(filepath.Join(r.dir, "hold")); err != nil {
			t.Fatal(err)
		}
		if o := r.wait(id); o.Status != "SUCCESSFUL" || r.read(tt.log) != "started\n" {
			t.Errorf("%s: %s, %q; ran %q", tt.fragment, o.Status, o.FailureReason, r.read(tt.log))
		}
	}
}

// With a key in the configuration, firmware must be signed by it.
func TestSignedFirmware(t *testing.T) {
	vector := func(name string) string {
		text, err := os.ReadFile("../internal/minisign/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	_, key, _ := strings.Cut(strings.TrimSpace(vector("key.pub")), "\n")
	r := newOpsRig(t, func(o *config.Operations, dir string) {
		everything(o, dir)
		o.Download.Keys = []string{key}
	})
	r.script("fw", fw)
	r.script("pkg", pkg)
	r.run()
	signature := strings.Split(vector("image.bin.minisig"), "\n")[1]
	good, forged := r.store(vector("image.bin")), r.store(vector("image.bin")+"!")
	for _, tt := range []struct{ members, reason string }{
		{`"url":"` + good + `"`, "signature of the file"}, // none lies beside it
		{`"url":"` + forged + `","minisig":"` + signature + `"`, "does not fit the file"},
		{`"url":"` + good + `","minisig":"RUQ"`, "no minisign signature"},
	} {
		r.fails("c8y_Firmware", `{"name":"os","version":"live",`+tt.members+`}`, tt.reason)
	}
	if got := r.read("fw.log"); got != "" {
		t.Errorf("the plugin was called: %q", got)
	}
	r.succeeds("c8y_Firmware", `{"name":"os","version":"live","url":"`+good+`#minisig=`+strings.NewReplacer("+", "%2B", "=", "%3D").Replace(signature)+`"}`)
}

// Without a helper operations fail with a reason, and the agent lives.
func TestNoHelper(t *testing.T) {
	r := newOpsRig(t, everything)
	r.helper()
	r.run()
	r.fails("c8y_Command", `{"text":"disk usage"}`, "mooring-helper.socket")
	r.fails("c8y_UploadConfigFile", `{"type":"app"}`, "mooring-helper.socket")
	r.until("valid", valid)
}
