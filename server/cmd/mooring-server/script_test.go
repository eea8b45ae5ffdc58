package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mooring-server": main})
}

// TestScripts runs testdata/script/*.txtar against the program. Beside
// testscript's own commands there are
//
//	serve DIR ARGS…                 mooring-server serve --data DIR on free ports, until it is ready; ends with the script
//	stop                            ends it as SIGTERM does
//	login USER FILE STATUS          GET /tenant/currentTenant as USER with the password in FILE is answered with STATUS
//	status N mooring-server ARGS…   it ends with exit status N
//	mode FILE BITS                  its permissions, in octal
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"serve": scriptServe, "stop": scriptStop, "login": scriptLogin, "status": scriptStatus, "mode": scriptMode,
		},
	})
}

// readyWithin bounds the start of a server, which hashes two passwords.
const readyWithin = time.Minute

type served struct {
	cmd   *exec.Cmd
	https string
	root  string
	ended chan error
}

// servers are those that scripts have started, by the script's directory.
var servers sync.Map

func scriptServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: serve DIR ARGS…")
	}
	program, err := exec.LookPath("mooring-server")
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	flags := append([]string{"serve", "--data", dir, "--https", "127.0.0.1:0", "--mtls", "", "--mqtts", "", "--admin", "", "--log-level", "error"}, args[1:]...)
	s := &served{cmd: exec.Command(program, flags...), ended: make(chan error, 1)}
	s.cmd.Dir = ts.Getenv("WORK")
	s.cmd.Env = append(os.Environ(), "MOORING_ADMIN_PASSWORD="+ts.Getenv("MOORING_ADMIN_PASSWORD"))
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(s.cmd.Start())
	timer := time.AfterFunc(readyWithin, func() { _ = s.cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadBytes('\n')
	timer.Stop()
	if err != nil {
		ts.Fatalf("the server is not ready: %v (%v)", err, s.cmd.Wait())
	}
	var ready struct{ HTTPS, Root string }
	ts.Check(json.Unmarshal(line, &ready))
	s.https, s.root = ready.HTTPS, ready.Root
	go func() { s.ended <- s.cmd.Wait() }()
	name := ts.Getenv("WORK")
	servers.Store(name, s)
	ts.Defer(func() { _ = end(name) })
}

func end(name string) error {
	v, found := servers.LoadAndDelete(name)
	if !found {
		return nil
	}
	s := v.(*served)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return <-s.ended
}

func scriptStop(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: stop")
	}
	ts.Check(end(ts.Getenv("WORK")))
}

func scriptLogin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: login USER FILE STATUS")
	}
	v, found := servers.Load(ts.Getenv("WORK"))
	if !found {
		ts.Fatalf("nothing is served")
	}
	s := v.(*served)
	text := ts.ReadFile(args[1])
	words := strings.Fields(text)
	if len(words) == 0 {
		ts.Fatalf("%s has no password", args[1])
	}
	pem, err := os.ReadFile(s.root)
	ts.Check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequest(http.MethodGet, "https://"+s.https+"/tenant/currentTenant", nil)
	ts.Check(err)
	req.SetBasicAuth(args[0], words[len(words)-1])
	res, err := (&http.Client{Transport: transport, Timeout: readyWithin}).Do(req)
	ts.Check(err)
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if got := strconv.Itoa(res.StatusCode); got != args[2] {
		ts.Fatalf("%s: got %s %s, want %s", args[0], got, body, args[2])
	}
}

func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
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

func scriptMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode FILE BITS")
	}
	info, err := os.Stat(filepath.Clean(ts.MkAbs(args[0])))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}
