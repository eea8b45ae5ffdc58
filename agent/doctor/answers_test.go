package doctor_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/doctor"
)

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// TestAnswers names what comes in place of good answers over HTTPS and MQTT.
func TestAnswers(t *testing.T) {
	mqtt := func(do func(*fakeSession)) func(*fake) { return func(f *fake) { f.mqtt = do } }
	connack := func(code byte) func(*fake) { return mqtt(func(s *fakeSession) { s.connack(code) }) }
	on := func(port string, h http.HandlerFunc) func(*fake) { return func(f *fake) { f.https[port] = h } }
	posts := func(h http.HandlerFunc) func(*fake) {
		return on("8443", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				h(w, r)
				return
			}
			w.WriteHeader(http.StatusNotFound)
		})
	}
	tests := []struct {
		name string
		set  func(*fake)
		want doctor.Code
		also []doctor.Code
	}{
		{"a platform without Mooring's calls", func(*fake) {}, "", nil},
		{"maintenance page", on("443", answers(200, "<!DOCTYPE html><html>")), "M171", nil},
		{"fault of the server", on("443", answers(503, "")), "M172", nil},
		{"no EST", on("443", answers(200, "hello")), "M170", nil},
		{"answer breaks off", on("443", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "x")
		}), "M173", nil},
		{"HTML by certificate", on("8443", answers(401, " <html>")), "M171", nil},
		{"another certificate was seen", on("8443", answers(200, `{"fingerprint_sha256":"00"}`)), "M141", nil},
		{"endless answer", on("8443", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, 1<<20))
		}), "M173", nil},
		{"no token over HTTPS", posts(answers(422, `{"error":"x"}`)), "M160", nil},
		{"HTML for a token", posts(answers(200, "<html>")), "M171", nil},
		{"garbage for a token", posts(answers(200, `{"accessToken":"no token"}`)), "M162", nil},
		{"CONNACK 1", connack(1), "M150", nil},
		{"CONNACK 2", connack(2), "M151", nil},
		{"CONNACK 3", connack(3), "M152", nil},
		{"CONNACK 4", connack(4), "M140", nil},
		{"CONNACK 5", connack(5), "M120", nil},
		{"CONNACK 6", connack(6), "M154", nil},
		{"HTTP after TLS", mqtt(func(s *fakeSession) { _, _ = io.WriteString(s, "HTTP/1.1 400 Bad Request\r\n\r\n") }), "M154", nil},
		{"endless packet", mqtt(func(s *fakeSession) { _, _ = s.Write([]byte{0x20, 0xff, 0xff, 0xff, 0x7f}) }), "M154", nil},
		{"no length", mqtt(func(s *fakeSession) { _, _ = s.Write([]byte{0x20, 0x80, 0x80, 0x80, 0x80, 0x80}) }), "M154", nil},
		{"no CONNACK", mqtt(func(s *fakeSession) { _, _ = io.Copy(io.Discard, s) }), "M153", nil},
		{"closed before CONNACK", mqtt(func(*fakeSession) {}), "M157", nil},
		{"closed after CONNACK", mqtt(func(s *fakeSession) { s.connack(0) }), "M155", nil},
		{"no token over MQTT", mqtt(func(s *fakeSession) {
			s.connack(0)
			_, _ = s.Write([]byte{0x90, 3, 0, 1, 0})
			_, _ = io.Copy(io.Discard, s)
		}), "M160", nil},
		{"topic refused", mqtt(func(s *fakeSession) {
			s.connack(0)
			_, _ = s.Write([]byte{0x90, 3, 0, 1, 0x80})
			_, _ = io.Copy(io.Discard, s)
		}), "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				tt.set(f)
				r := f.rig()
				if tt.want == "" {
					r.healthy()
					return
				}
				begin := time.Now()
				r.finds(tt.want, append(tt.also, tt.want)...)
				if took := time.Since(begin); took > 45*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// TestReasons: each word of the server has its code.
func TestReasons(t *testing.T) {
	for reason, want := range map[string]doctor.Code{
		"chain-order": "M122", "chain-incomplete": "M123", "chain-invalid": "M124", "chain-too-deep": "M124", "expired": "M125", "not-yet-valid": "M126",
		"revoked": "M127", "revocation-list-unavailable": "M128", "anchor-disabled": "M129", "ambiguous-tenant": "M130", "weak-key": "M131",
		"bad-common-name": "M132", "client-id-differs-from-common-name": "M133", "device-user-disabled": "M135", "two-way-tls-off": "M137",
		"too-many-messages": "M138", "internal-error": "M139", "otp-refused": "M140", "a word of tomorrow": "M199", "": "M120",
	} {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.mqtt = func(s *fakeSession) { s.connack(5) }
				f.https["8443"] = func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/mooring/explain" {
						w.WriteHeader(401)
						return
					}
					fmt.Fprintf(w, `{"reason":"accepted","last_refusal":{"reason":%q,"detail":"because"}}`, reason)
				}
				report := f.rig().finds(want)
				if reason != "" && report.Fault.Detail != "because" {
					t.Errorf("detail %q", report.Fault.Detail)
				}
			})
		})
	}
}

// TestRunningAgent examines beside a real agent, which stays connected.
func TestRunningAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, easy(t))
		a := newAuthority(t)
		r.trust(a.cert, true)
		r.certificates()
		r.hold(a.leafOf(a.cert))
		running := twin(t, r)
		r.o.Daemon = running
		before, ended := watch(t, running)
		r.healthy()
		time.Sleep(time.Minute)
		if s, _ := running.Status(t.Context()); !s.Connected || ended() {
			t.Errorf("after the examination: %+v, before: %+v", s, before)
		}
	})
}

// watch reports whether the agent was ever without connection, looking often.
func watch(t *testing.T, a interface {
	doctor.Daemon
}) (first any, ended func() bool) {
	t.Helper()
	s, err := a.Status(t.Context())
	must(t, err)
	gone := make(chan bool, 1)
	stop := make(chan struct{})
	go func() {
		was := false
		for {
			select {
			case <-stop:
				gone <- was
				return
			case <-time.After(50 * time.Millisecond):
				if s, err := a.Status(t.Context()); err != nil || !s.Connected {
					was = true
				}
			}
		}
	}()
	return s, func() bool { close(stop); return <-gone }
}
