package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mooring/hsm"
	"mooring/hsm/pkcs11key/p11test"
	"mooring/hsm/tpmkey/swtpmtest"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"mooring-agent": main})
}

type tests struct{ *testing.M }

func (t tests) Run() int {
	code := p11test.Main(t.M)
	commandCuts.Print(os.Stdout)
	return code
}

// TestScripts runs testdata/script/*.txtar against the program. Beside
// testscript's own commands there is
//
//	status N mooring-agent ARGS…    it ends with exit status N
//	swtpm NAME                      starts a TPM, whose socket is $TPM_NAME
//	destroyonly URI                 destroys the one key of a store
//	attestonly URI                  has the one key of a store certified
func TestScripts(t *testing.T) {
	if _, err := exec.LookPath("swtpm"); err != nil && os.Getenv("REQUIRE_HSM") == "1" {
		t.Fatalf("swtpm is needed: %v", err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("MOORING_STATE", filepath.Join(env.WorkDir, "state"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status": status,
			"swtpm": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv("TPM_"+strings.ToUpper(args[0]), swtpmtest.Start(t).Socket)
			},
			"destroyonly": func(ts *testscript.TestScript, _ bool, args []string) { withOnly(ts, args[0], "destroy") },
			"attestonly": func(ts *testscript.TestScript, _ bool, args []string) {
				withOnly(ts, args[0], "attest", "--nonce", "00ff")
			},
		},
	})
}

func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// withOnly does something with the one key of a store.
func withOnly(ts *testscript.TestScript, uri string, verb ...string) {
	keys, err := hsm.Open(context.Background(), uri)
	ts.Check(err)
	refs, err := keys.List(context.Background())
	ts.Check(err)
	if len(refs) != 1 {
		ts.Fatalf("%d keys", len(refs))
	}
	ts.Check(ts.Exec("mooring-agent", append(append([]string{"keystore"}, verb...), "--key", uri, string(refs[0]))...))
}
