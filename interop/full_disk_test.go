package interop_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const (
	// diskBytes is the size of a disk that a test fills.
	diskBytes = 12 << 20
	// roomForPublishes and roomForEnrolments are how many of them a database
	// may still find room for when the disk is full: a file it wrote before is
	// written again from its start.
	roomForPublishes  = 20_000
	roomForEnrolments = 100
	roomForObjects    = 1000
)

// starvation is a way to leave the server nothing to write to.
type starvation struct {
	name    string
	missing func() string // what this machine lacks for it
	wrapper func(dir string) []string
	starve  func(t *testing.T, s *instance)
	feed    func(t *testing.T, s *instance)
}

var starvations = []starvation{
	{
		name: "file system",
		missing: func() string {
			if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
				return fmt.Sprintf("unshare --mount: %v %s", err, out)
			}
			return ""
		},
		// The mount is seen by the server alone and goes with it.
		wrapper: func(dir string) []string {
			const script = `mount -t tmpfs -o "size=$1,mode=700" mooring "$2" && shift 2 && exec "$@"`
			return []string{"unshare", "--mount", "sh", "-ec", script, "sh", fmt.Sprint(diskBytes), dir}
		},
		starve: func(t *testing.T, s *instance) {
			t.Helper()
			f, err := os.Create(filepath.Join(s.outside, "filler"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			for size := 64 << 10; size > 0; size /= 2 {
				for err = nil; err == nil; {
					_, err = f.Write(make([]byte, size))
				}
				if !errors.Is(err, syscall.ENOSPC) {
					t.Fatal(err)
				}
			}
		},
		feed: func(t *testing.T, s *instance) {
			t.Helper()
			if err := os.Remove(filepath.Join(s.outside, "filler")); err != nil {
				t.Fatal(err)
			}
		},
	},
	{
		// Also the signal that comes with it (SIGXFSZ) must not end the server.
		name: "size of files",
		missing: func() string {
			if _, err := exec.LookPath("prlimit"); err != nil {
				return err.Error()
			}
			return ""
		},
		starve: func(t *testing.T, s *instance) { limitFiles(t, s, "1") },
		feed:   func(t *testing.T, s *instance) { limitFiles(t, s, "unlimited") },
	},
}

func limitFiles(t *testing.T, s *instance, soft string) {
	t.Helper()
	out, err := exec.Command("prlimit", "--pid", fmt.Sprint(s.cmd.Process.Pid), "--fsize="+soft+":unlimited").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestFullDisk: a server that cannot write acknowledges nothing, says so, still
// reads, loses nothing, and goes on by itself when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, st := range starvations {
		t.Run(st.name, func(t *testing.T) {
			t.Parallel()
			if missing := st.missing(); missing != "" {
				if os.Getenv("REQUIRE_HSM") == "1" {
					t.Fatal(missing)
				}
				t.Skip(missing)
			}
			starved(t, st)
		})
	}
}

func starved(t *testing.T, st starvation) {
	dir := t.TempDir()
	l := launch{}
	if st.wrapper != nil {
		l.wrapper = st.wrapper(dir)
	}
	s := l.start(t, dir)
	s.authority(t)
	d := enrolledDevice(t, s, "hungry")
	d.pub(t, 1).want(t, exitDone)
	late := newDevice(t, s, "late")
	ids := registerMany(t, s)

	st.starve(t, s)
	last := publishUntilRefused(t, s, d)
	otpOf := enrolUntilRefused(t, s, ids)
	o := late.run(t, append(late.enrol(), "--timeout", "2s")...)
	o.want(t, exitLater)
	createUntilRefused(t, s)
	stillReads(t, s, d, last)
	if !s.alive() {
		t.Fatal("the server ended")
	}

	st.feed(t, s)
	goesOn(t, s, d, last+1)
	if a := s.est(t, otpOf, "otp-of-"+otpOf, request(t, newKey(t), otpOf)); a.status != http.StatusOK {
		t.Errorf("the one-time password that was refused for want of room: %s", a)
	}
	late.run(t, late.enrol()...).want(t, exitDone)
	late.pub(t, 1).want(t, exitDone)
}

func registerMany(t *testing.T, s *instance) []string {
	t.Helper()
	csv := "ID;AUTH_TYPE;ENROLLMENT_OTP\n"
	ids := make([]string, roomForEnrolments)
	for n := range ids {
		ids[n] = fmt.Sprintf("waits-%d", n)
		csv += ids[n] + ";CERTIFICATES;otp-of-" + ids[n] + "\n"
	}
	if a := s.bulk(t, csv); a.status != http.StatusCreated || !strings.Contains(string(a.body), fmt.Sprintf(`"numberOfSuccessful":%d`, len(ids))) {
		t.Fatalf("register: %s", a)
	}
	return ids
}

// publishUntilRefused returns the last value that was acknowledged. A refusal
// is the end of the connection: MQTT 3.1.1 has no other.
func publishUntilRefused(t *testing.T, s *instance, d *device) int {
	t.Helper()
	pair, err := d.pair()
	if err != nil {
		t.Fatal(err)
	}
	c := mustDial(t, s, d.id, pair)
	for value := 2; value < roomForPublishes; value++ {
		err := c.publish(packetPublish1, 1, line(value))
		if err == nil {
			_, _, err = c.readID()
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
			return value - 1
		default:
			t.Fatalf("publish %d: %v", value, err)
		}
	}
	t.Fatal("there is always room")
	return 0
}

// enrolUntilRefused returns a device that was refused for want of room.
func enrolUntilRefused(t *testing.T, s *instance, ids []string) string {
	t.Helper()
	for _, id := range ids {
		a := s.est(t, id, "otp-of-"+id, request(t, newKey(t), id))
		switch a.status {
		case http.StatusOK:
		case http.StatusServiceUnavailable:
			if !strings.Contains(string(a.body), "est/Service Unavailable") || strings.Contains(string(a.body), "SQL") {
				t.Errorf("refusal: %s", a)
			}
			return id
		default:
			t.Fatalf("enrol %s: %s", id, a)
		}
	}
	t.Fatal("there is always room")
	return ""
}

func createUntilRefused(t *testing.T, s *instance) {
	t.Helper()
	for range roomForObjects {
		a := s.admin(t, http.MethodPost, "/inventory/managedObjects", "application/json", []byte(`{"name":"x"}`))
		switch a.status {
		case http.StatusCreated:
		case http.StatusServiceUnavailable:
			return
		default:
			t.Fatalf("create an object: %s", a)
		}
	}
	t.Fatal("there is always room")
}

// stillReads: all that was acknowledged can be read.
func stillReads(t *testing.T, s *instance, d *device, last int) {
	t.Helper()
	got := s.values(t, d.id, fragment)
	for value := 1; value <= last; value++ {
		if got[value] == 0 {
			t.Errorf("value %d was acknowledged and is not there", value)
		}
	}
	t.Logf("%d measurements found room", last)
}

// goesOn: without a restart the server takes what it refused.
func goesOn(t *testing.T, s *instance, d *device, value int) {
	t.Helper()
	d.pub(t, value).want(t, exitDone)
	if got := s.values(t, d.id, fragment)[value]; got == 0 {
		t.Errorf("value %d was acknowledged and is not there", value)
	}
}
