package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// conditionLimit is how long a test waits for what must come to pass.
	conditionLimit = 30 * time.Second
	pollEvery      = 20 * time.Millisecond
	// maxAnswer bounds what a test reads of one answer.
	maxAnswer = 16 << 20
)

// programFolder holds the programs that were built for this run.
var programFolder string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "mooring-interop")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programFolder = dir
	status := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(status)
}

var (
	serverProgram = sync.OnceValues(func() (string, error) { return buildProgram("mooring/server/cmd/mooring-server") })
	agentProgram  = sync.OnceValues(func() (string, error) { return buildProgram("mooring/agent/cmd/mooring-agent") })
)

// program returns the path of a real program, built once in a run.
func program(t testing.TB, build func() (string, error)) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// buildProgram builds a program of this module. The test cache learns what it
// is made from, because the folders are read here.
func buildProgram(command string) (string, error) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}", command).Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	for dir := range strings.Lines(string(out)) {
		if dir = strings.TrimSpace(dir); dir != "" {
			if err := readFolder(dir); err != nil {
				return "", err
			}
		}
	}
	binary := filepath.Join(programFolder, filepath.Base(command))
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, command)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// eventually polls until met reports true, and fails the test if it never does.
func eventually(t testing.TB, what string, met func() bool) {
	t.Helper()
	every := time.NewTicker(pollEvery)
	defer every.Stop()
	limit := time.After(conditionLimit)
	for !met() {
		select {
		case <-every.C:
		case <-limit:
			t.Fatalf("not within %s: %s", conditionLimit, what)
		}
	}
}

// logBuffer takes what a process writes while a test reads it.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// instance is one process of the real server on a data directory.
type instance struct {
	t   testing.TB
	dir string
	cmd *exec.Cmd
	log *logBuffer
	readyLine
	ended   chan struct{} // closed when the process is gone and waited for
	err     error         // how it ended; read after ended
	killed  bool          // by the test
	outside string        // the way to dir for who is outside its mount namespace
	client  *http.Client
	pass    string
}

// launch says how to start an instance. The zero value is a plain one.
type launch struct {
	wrapper []string  // stands before the command
	again   *instance // an ended instance, whose addresses are taken again
	config  string    // content of the configuration file
}

// start runs a server on dir. It is stopped when the test ends, which it must
// do in time and with status 0 unless it was killed.
func (l launch) start(t testing.TB, dir string) *instance {
	t.Helper()
	s := &instance{t: t, dir: dir, log: &logBuffer{}, ended: make(chan struct{})}
	args := append(l.wrapper, program(t, serverProgram), "serve", "--data", dir, "--dev")
	addrs := readyLine{HTTPS: "127.0.0.1:0", MTLS: "127.0.0.1:0", MQTTS: "127.0.0.1:0"}
	if l.again != nil {
		addrs = l.again.readyLine
	}
	args = append(args, "--https", addrs.HTTPS, "--mtls", addrs.MTLS, "--mqtts", addrs.MQTTS, "--admin", "127.0.0.1:0")
	if l.config != "" {
		file := filepath.Join(t.TempDir(), "server.toml")
		if err := os.WriteFile(file, []byte(l.config), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", file)
	}
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Stderr = s.log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan readyLine, 1)
	go func() {
		var line readyLine
		text, err := bufio.NewReader(stdout).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(text, &line)
		}
		line.err = err
		ready <- line
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(s.stop)
	select {
	case s.readyLine = <-ready:
	case <-time.After(startLimit):
		t.Fatalf("no ready line within %s\n%s", startLimit, s.log)
	}
	if s.readyLine.err != nil || !s.Ready {
		t.Fatalf("ready line: %+v\n%s", s.readyLine, s.log)
	}
	s.outside = dir
	if len(l.wrapper) > 0 {
		s.outside = filepath.Join(fmt.Sprintf("/proc/%d/root", s.cmd.Process.Pid), dir)
	}
	s.open()
	return s
}

// open reads what the administrator needs.
func (s *instance) open() {
	s.t.Helper()
	root, err := os.ReadFile(s.rootFile())
	if err != nil {
		s.t.Fatal(err)
	}
	pass, err := os.ReadFile(filepath.Join(s.outside, "admin.password"))
	if err != nil {
		s.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	s.pass = strings.TrimSpace(string(pass))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	s.client = &http.Client{Transport: transport, Timeout: conditionLimit}
	s.t.Cleanup(transport.CloseIdleConnections)
}

func (s *instance) rootFile() string { return filepath.Join(s.outside, "tls", "root.pem") }

// alive reports whether the process still runs.
func (s *instance) alive() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// kill ends the process by SIGKILL and waits until it is gone.
func (s *instance) kill() {
	s.t.Helper()
	s.killed = true
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-s.ended
}

// stop asks the server to end, unless it was killed.
func (s *instance) stop() {
	if !s.killed {
		s.terminate()
	}
	if s.t.Failed() {
		s.t.Logf("log of the server:\n%s", s.log)
	}
}

// end stops the server in good order before the test ends.
func (s *instance) end() {
	s.t.Helper()
	s.terminate()
	s.killed = true
}

func (s *instance) terminate() {
	if !s.alive() {
		s.t.Errorf("the server ended by itself: %v", s.err)
		return
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Error(err)
	}
	select {
	case <-s.ended:
	case <-time.After(stopLimit):
		s.t.Errorf("the server did not stop within %s of SIGTERM", stopLimit)
		s.kill()
	}
	if s.err != nil && !s.killed {
		s.t.Errorf("server: %v", s.err)
	}
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) String() string {
	return fmt.Sprintf("%d %s", a.status, a.body[:min(len(a.body), 1000)])
}

// do sends a request to https as user, and returns any answer.
func (s *instance) do(ctx context.Context, method, path, user, password, contentType string, body io.Reader) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, "https://"+s.HTTPS+path, body)
	if err != nil {
		return answer{}, err
	}
	r.SetBasicAuth(user, password)
	r.Header.Set("Accept", "*/*")
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	response, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return answer{response.StatusCode, response.Header, text}, err
}

// admin sends a request as the administrator, which must have an answer.
func (s *instance) admin(t testing.TB, method, path, contentType string, body []byte) answer {
	t.Helper()
	a, err := s.do(t.Context(), method, path, "admin", s.pass, contentType, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// get reads JSON as the administrator.
func (s *instance) get(t testing.TB, path string, into any) {
	t.Helper()
	a := s.admin(t, http.MethodGet, path, "", nil)
	if a.status != http.StatusOK {
		t.Fatalf("GET %s: %s", path, a)
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
}

// authority makes the tenant's certificate authority.
func (s *instance) authority(t testing.TB) {
	t.Helper()
	if a := s.admin(t, http.MethodPost, "/certificate-authority", "application/json", nil); a.status != http.StatusCreated {
		t.Fatalf("certificate authority: %s", a)
	}
}

// bulk uploads a file of registrations.
func (s *instance) bulk(t testing.TB, csv string) answer {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", "devices.csv")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(part, csv) // into memory: never fails
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return s.admin(t, http.MethodPost, "/devicecontrol/bulkNewDeviceRequests", w.FormDataContentType(), body.Bytes())
}

// register lets a device enrol with otp.
func (s *instance) register(t testing.TB, id, otp string) {
	t.Helper()
	a := s.bulk(t, "ID;AUTH_TYPE;ENROLLMENT_OTP\n"+id+";CERTIFICATES;"+otp+"\n")
	var result struct{ NumberOfSuccessful int }
	if err := json.Unmarshal(a.body, &result); err != nil || result.NumberOfSuccessful != 1 {
		t.Fatalf("register %s: %s", id, a)
	}
}

// object returns the ID of a device's managed object.
func (s *instance) object(t testing.TB, id string) string {
	t.Helper()
	var found struct{ ManagedObject struct{ ID string } }
	s.get(t, "/identity/externalIds/c8y_Serial/"+id, &found)
	return found.ManagedObject.ID
}

// values counts the values of a device's measurements of series N in fragment.
func (s *instance) values(t testing.TB, id, fragment string) map[int]int {
	t.Helper()
	const pageSize = 2000 // the largest that the platform has
	object, count := s.object(t, id), map[int]int{}
	for page := 1; ; page++ {
		var list struct{ Measurements []map[string]json.RawMessage }
		s.get(t, fmt.Sprintf("/measurement/measurements?source=%s&pageSize=%d&currentPage=%d", object, pageSize, page), &list)
		for _, m := range list.Measurements {
			var series struct{ N struct{ Value int } }
			if text, ok := m[fragment]; ok {
				if err := json.Unmarshal(text, &series); err != nil {
					t.Fatalf("measurement %s: %v", text, err)
				}
				count[series.N.Value]++
			}
		}
		if len(list.Measurements) < pageSize {
			return count
		}
	}
}
