package helper_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/agent/config"
	"mooring/agent/helper"
)

const signed = "../../internal/minisign/testdata/"

func TestFirmware(t *testing.T) {
	r := newRig(t, func(o *config.Operations, dir string) { o.Firmware.Plugin = filepath.Join(dir, "fw") })
	r.script("fw", `echo "$1 $2 $3" >> "$0.log"
case $1-$3 in
install-4) cat "$4" >> "$0.log"; exit 4;;
install-0|check-1.0|commit-1.0) exit 0;;
commit-old) exit 1;;
esac
echo 'flash is full' >&2; exit 2
`)
	install := func(version string) helper.Result {
		result, _ := r.do(helper.Request{Verb: helper.InstallFirmware, Key: newKey(), Name: "image", Version: version}, "bits\n")
		return result
	}
	if got := install("4"); got.Error != "" || !got.NeedsRestart {
		t.Errorf("exit status 4: got %+v", got)
	}
	if got := install("0"); got.Error != "" || got.NeedsRestart {
		t.Errorf("exit status 0: got %+v", got)
	}
	want(t, "exit status 2", install("2"), "exit status 2: flash is full")
	for _, tt := range []struct {
		verb          helper.Verb
		version, text string
	}{
		{helper.CheckFirmware, "1.0", ""},
		{helper.CheckFirmware, "2.0", "flash is full"},
		{helper.CommitFirmware, "1.0", ""},
		{helper.CommitFirmware, "old", ""},
		{helper.CommitFirmware, "2.0", "exit status 2"},
	} {
		result, _ := r.do(helper.Request{Verb: tt.verb, Name: "image", Version: tt.version})
		want(t, string(tt.verb)+" "+tt.version, result, tt.text)
	}
	if got := read(t, filepath.Join(r.dir, "fw.log")); !strings.HasPrefix(got, "install image 4\nbits\n") {
		t.Errorf("the plugin was called:\n%s", got)
	}
}

// TestRelativeDirectory hands a plugin, which runs elsewhere, a file that it finds.
func TestRelativeDirectory(t *testing.T) {
	r := newRig(t, func(o *config.Operations, dir string) { o.Firmware.Plugin = filepath.Join(dir, "fw") })
	r.script("fw", `cat "$4" > "$0.log"`+"\n")
	r.stop()
	t.Chdir(r.dir)
	r.o.Dir = "private"
	r.start()
	result, _ := r.do(helper.Request{Verb: helper.InstallFirmware, Key: newKey(), Name: "image", Version: "1"}, "bits\n")
	if got := read(t, filepath.Join(r.dir, "fw.log")); result.Error != "" || got != "bits\n" {
		t.Errorf("got %+v, and the plugin read %q", result, got)
	}
}

// With a key in the configuration, what is not signed by it never reaches the
// plugin, whatever the agent says.
func TestSignature(t *testing.T) {
	_, key, _ := strings.Cut(strings.TrimSpace(read(t, signed+"key.pub")), "\n")
	r := newRig(t, func(o *config.Operations, dir string) {
		o.Firmware.Plugin, o.Download.Keys = filepath.Join(dir, "fw"), []string{key}
		o.Software.Types = []string{"apt"}
		o.Download.MaxBytes = 1000
	})
	r.script("fw", `echo "$*" >> "$0.log"`+"\n")
	r.script("apt", `echo "$*" >> "$0.log"; [ $1 != update-list ]`+"\n")
	image, good := read(t, signed+"image.bin"), read(t, signed+"image.bin.minisig")
	for _, tt := range []struct{ name, file, signature, text string }{
		{"none", image, "", "not signed"},
		{"other file", image + "x", good, "does not fit"},
		{"legacy", image, read(t, signed+"legacy.minisig"), "legacy"},
		{"HTML", image, "<html>", "no minisign signature"},
		{"1000 bytes", strings.Repeat("x", 1000), good, "does not fit"},
		{"1001 bytes", strings.Repeat("x", 1001), good, "longer than 1000 bytes"},
	} {
		result, _ := r.do(helper.Request{Verb: helper.InstallFirmware, Key: newKey(), Name: "i", Signature: tt.signature}, tt.file)
		want(t, tt.name, result, tt.text)
		result, _ = r.do(helper.Request{Verb: helper.UpdateSoftware, Key: newKey(), Items: []helper.Item{{Type: "apt", Name: "i", File: true, Signature: tt.signature}}}, tt.file)
		want(t, "software: "+tt.name, result, tt.text)
	}
	for _, plugin := range []string{"fw", "apt"} {
		if _, err := os.Stat(filepath.Join(r.dir, plugin+".log")); !os.IsNotExist(err) {
			t.Errorf("%s was called: %v", plugin, err)
		}
	}
	result, _ := r.do(helper.Request{Verb: helper.InstallFirmware, Key: newKey(), Name: "i", Signature: good}, image)
	want(t, "signed", result, "")
	result, _ = r.do(helper.Request{Verb: helper.UpdateSoftware, Key: newKey(), Items: []helper.Item{{Type: "apt", Name: "i", File: true, Signature: good}}}, image)
	want(t, "software: signed", result, "")
}
