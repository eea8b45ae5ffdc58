package p11test

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shimSource is the module that spoils calls.
//
//go:embed testdata/shim.c
var shimSource string

// Faults stands between a store and its SoftHSM and spoils calls.
type Faults struct {
	*SoftHSM
	plan, log string
}

// StartFaults makes a SoftHSM behind a module that passes everything on.
func StartFaults(t testing.TB) *Faults {
	t.Helper()
	hsm := Start(t)
	dir := t.TempDir()
	f := &Faults{SoftHSM: hsm, plan: filepath.Join(dir, "plan"), log: filepath.Join(dir, "log")}
	hsm.Module = shim(t)
	t.Setenv("SHIM_MODULE", softHSM)
	t.Setenv("SHIM_PLAN", f.plan)
	t.Setenv("SHIM_LOG", f.log)
	f.Spoil(t)
	return f
}

// Spoil sets what happens to calls from now on, as testdata/shim.c says, such as
// "C_Sign 1 code 0x30". Calls are counted from here.
func (f *Faults) Spoil(t testing.TB, lines ...string) {
	t.Helper()
	write(t, f.log, "")
	write(t, f.plan, strings.Join(lines, "\n")+"\n")
}

// Calls says how often a function was called since Spoil.
func (f *Faults) Calls(t testing.TB, function string) int {
	t.Helper()
	log, err := os.ReadFile(f.log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count("\n"+string(log), "\n"+function+"\n")
}

// shim compiles the module once for a test process, beside the helper.
func shim(t testing.TB) string {
	t.Helper()
	dir := filepath.Dir(Helper(t))
	built.Lock()
	defer built.Unlock()
	path := filepath.Join(dir, "shim.so")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	headers, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/miekg/pkcs11").Output()
	if err != nil {
		t.Fatalf("where are the headers of PKCS#11: %v", err)
	}
	write(t, filepath.Join(dir, "shim.c"), shimSource)
	out, err := exec.Command("gcc", "-shared", "-fPIC", "-O1", "-I", strings.TrimSpace(string(headers)), "-o", path, filepath.Join(dir, "shim.c"), "-ldl").CombinedOutput()
	if err != nil {
		t.Fatalf("compile the shim: %v: %s", err, out)
	}
	return path
}
