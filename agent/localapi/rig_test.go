package localapi_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mooring/agent/localapi"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/internal/secret"
)

// device is a Device under a test's control.
type device struct {
	key *ecdsa.PrivateKey

	mu        sync.Mutex
	chain     pki.Chain
	state     string
	changed   chan struct{}
	forgotten []string
	sent      []string
	messages  chan localapi.Message
	fail      error
}

func newDevice(t *testing.T) *device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &device{key: key, state: "valid", changed: make(chan struct{}), messages: make(chan localapi.Message)}
}

func (d *device) Look() (localapi.Snapshot, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return localapi.Snapshot{Status: map[string]string{"state": d.state}, Chain: d.chain}, d.changed
}

// become changes the status, and tells of a change also if there is none.
func (d *device) become(state string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state = state
	close(d.changed)
	d.changed = make(chan struct{})
}

// renew gives the device another chain.
func (d *device) renew(t *testing.T, serial int64) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "dev1"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, d.key.Public(), d.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chain = pki.Chain{leaf}
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *device) DeviceToken(context.Context) (secret.String, time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return secret.String{}, time.Time{}, d.fail
	}
	return secret.New(fmt.Sprintf("token-%d", len(d.forgotten)+1)), time.Unix(1_800_000_000, 0), nil
}

func (d *device) ForgetToken(_ context.Context, token secret.String) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forgotten = append(d.forgotten, token.Reveal())
}

func (d *device) Send(_ context.Context, topic string, payload []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent = append(d.sent, topic+" "+string(payload))
	return d.fail
}

func (d *device) Messages(ctx context.Context, topics ...string) <-chan localapi.Message {
	out := make(chan localapi.Message)
	go func() {
		defer close(out)
		for {
			select {
			case m := <-d.messages:
				select {
				case out <- m:
				case <-ctx.Done():
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// send is a message from the server.
func (d *device) send(payload string) {
	d.messages <- localapi.Message{Topic: "s/ds", Payload: []byte(payload)}
}

func (d *device) Sign(_ context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return d.key.Sign(rand.Reader, digest, opts)
}

// policy is one with rules and a few topics; the agent's own user is this
// test's.
func policy(t *testing.T, rules ...string) localapi.Policy {
	t.Helper()
	p, err := localapi.NewPolicy(rules, []string{"s/us", "measurement/#"}, []string{"s/ds", "s/dc/#"}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// logText is what was logged so far.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed at the next line, nil while nobody waits
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
	return l.text.Write(p)
}

// with waits for text and returns all that was logged.
func (l *logText) with(t *testing.T, text string) string {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		l.mu.Lock()
		all := l.text.String()
		if l.more == nil {
			l.more = make(chan struct{})
		}
		more := l.more
		l.mu.Unlock()
		if strings.Contains(all, text) {
			return all
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("not logged: %s\n%s", text, all)
		}
	}
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// rig is an API or a proxy on a socket.
type rig struct {
	t    *testing.T
	log  *logText
	http *http.Client
	path string
}

type server interface {
	Serve(context.Context, net.Listener) error
}

// serving runs what make returns until the test ends.
func serving(t *testing.T, build func(*slog.Logger) server) *rig {
	t.Helper()
	r := &rig{t: t, path: filepath.Join(t.TempDir(), "api.sock"), log: &logText{}}
	l, err := net.Listen("unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := build(slog.New(slog.NewTextHandler(r.log, nil)))
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	r.http = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", r.path)
	}}}
	t.Cleanup(r.http.CloseIdleConnections)
	return r
}

func startAPI(t *testing.T, d *device, p localapi.Policy) *rig {
	return serving(t, func(log *slog.Logger) server { return localapi.New(d, p, time.Now, log) })
}

// call makes a request and returns status and body.
func (r *rig) call(method, target, body string) (int, string) {
	r.t.Helper()
	answer := r.open(method, target, body)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func (r *rig) open(method, target, body string) *http.Response {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, "http://localhost"+target, bytes.NewReader([]byte(body)))
	if err != nil {
		r.t.Fatal(err)
	}
	answer, err := r.http.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer
}

var errAway = problem.New(problem.Unavailable, "no connection", nil)

// everybody is a rule that opens all verbs to this test.
func everybody() string {
	return fmt.Sprintf("user:%d status chain token publish messages sign proxy", os.Getuid())
}
