package doctor_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/agent/doctor"
	"mooring/agent/identity"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/pki"
	"mooring/internal/problem"
)

// TestLocal names what is wrong on the device itself.
func TestLocal(t *testing.T) {
	disk := func(d doctor.Disk) func(*rig) {
		return func(r *rig) { r.o.Disk = func(string) (doctor.Disk, error) { return d, nil } }
	}
	leaf := func(edit func(*x509.Certificate)) func(*rig) {
		return func(r *rig) {
			a := newAuthority(r.t)
			r.hold(func(p crypto.PublicKey) pki.Chain { return pki.Chain{a.issue(p, edit), a.cert} })
		}
	}
	tests := []struct {
		name string
		set  func(*rig)
		want doctor.Code
		says string // in the detail
		also []doctor.Code
	}{
		{"configuration", func(r *rig) { r.o.ConfigErr = errors.New("unknown key sever") }, "M001", "sever", nil},
		{"out of bounds", func(r *rig) { r.o.Config.MQTTSPort = 70000 }, "M001", "mqtts_port", nil},
		{"no anchors", func(r *rig) { r.o.Config.CA = state + "/absent" }, "M002", "absent", nil},
		{"anchors of Java", func(r *rig) { r.write("root.pem", "\xfe\xed\xfe\xed\x00\x00\x00\x02") }, "M002", "no certificate", nil},
		{"empty anchors", func(r *rig) { r.write("root.pem", "") }, "M002", "no certificate", nil},
		{"proxy", func(r *rig) { r.o.Getenv = func(string) string { return "gopher://x" } }, "M003", "HTTPS_PROXY", nil},
		{"colon in the ID", func(r *rig) { r.o.Config.DeviceID = "a:b" }, "M004", "device_id", []doctor.Code{"M053"}},

		{"state gone", func(r *rig) { r.o.Config.State = "/absent" }, "M010", "/absent", nil},
		{"state of others", func(r *rig) { r.o.FS = ownedFS{r.disk, state, 4711} }, "M010", "belongs to user 4711", nil},
		{"file of others", func(r *rig) { r.o.FS = ownedFS{r.disk, state + "/generations/0001/chain.pem", 4711} }, "M012", "chain.pem: belongs to user 4711", nil},
		{"file of others that cannot be read", func(r *rig) {
			r.o.FS = ownedFS{r.disk, state + "/settings.toml", 4711}
			r.write("settings.toml", "")
			r.o.ConfigErr = fs.ErrPermission
		}, "M012", "settings.toml", nil},
		{"identity emptied", func(r *rig) { r.write("generations/0001/digest", "") }, "M011", "digest", nil},
		{"identity cut", func(r *rig) { r.write("generations/0001/identity.json", "{") }, "M011", "identity.json", nil},
		{"certificate without its digest", func(r *rig) {
			if err := r.disk.Remove(state + "/generations/0001/digest"); err != nil {
				r.t.Fatal(err)
			}
		}, "M011", "has no certificate", nil},
		{"a mode that keeps out", func(r *rig) {
			r.o.ConfigErr = identity.Denied(r.disk, state, &fs.PathError{Op: "open", Path: state + "/settings.toml", Err: syscall.EACCES})
		}, "M010", "settings.toml: this user may not use it", nil},
		{"a mode that keeps the anchors out", func(r *rig) {
			r.write("ca.pem", "")
			r.o.Config.CA = state + "/ca.pem"
			r.o.FS = closedFS{r.disk, state + "/ca.pem"}
		}, "M010", "ca.pem: this user may not use it", nil},
		{"in memory", disk(doctor.Disk{Free: 1 << 30, InMemory: true}), "M013", "", nil},
		{"statfs", func(r *rig) {
			r.o.Disk = func(string) (doctor.Disk, error) { return doctor.Disk{}, syscall.EACCES }
		}, "M010", "permission", nil},

		{"disk full", disk(doctor.Disk{Free: 1<<20 - 1}), "M020", "1023 KiB", nil},
		{"disk at the first bound", disk(doctor.Disk{Free: 1 << 20}), "M021", "", nil},
		{"disk below the second", disk(doctor.Disk{Free: 16<<20 - 1}), "M021", "", nil},
		{"disk at the second", disk(doctor.Disk{Free: 16 << 20}), "", "", nil},
		{"no files left", disk(doctor.Disk{Free: 1 << 30, Counted: true, Files: 15}), "M020", "15 files", nil},
		{"few files left", disk(doctor.Disk{Free: 1 << 30, Counted: true, Files: 255}), "M021", "255 files", nil},
		{"files nobody counts", disk(doctor.Disk{Free: 1 << 30}), "", "", nil},
		{"read-only", disk(doctor.Disk{Free: 1 << 30, ReadOnly: true}), "M022", "", nil},

		{"clock behind what has passed", func(r *rig) { r.write("clock", time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+"\n") }, "M032", "", nil},

		{"key store away", func(r *rig) {
			r.o.OpenKeys = func(context.Context, string) (key.Store, error) { return nil, errors.New("no such token") }
		}, "M040", "no such token", nil},
		{"key store that is away", func(r *rig) { r.keys = brokenKeys{Store: r.keys, list: key.ErrAway} }, "M046", "away", nil},
		{"key of another TPM", func(r *rig) { r.keys = brokenKeys{Store: r.keys, sign: key.ErrLost} }, "M041", "lost", nil},
		{"key store that wants another PIN", func(r *rig) { r.keys = brokenKeys{Store: r.keys, list: key.ErrBarred} }, "M047", "let this program in", nil},
		{"key store that does not list", func(r *rig) { r.keys = brokenKeys{Store: r.keys, list: fs.ErrPermission} }, "M040", "permission", nil},
		{"key store that this user may not use", func(r *rig) { r.keys = brokenKeys{Store: r.keys, sign: fs.ErrPermission} }, "M040", "permission", nil},
		{"key store that goes away", func(r *rig) { r.keys = brokenKeys{Store: r.keys, sign: key.ErrAway} }, "M046", "away", nil},
		{"slow key that was measured", func(r *rig) {
			must(r.t, agent.SaveSignLimit(r.disk, r.o.Config, agent.MaxSignLimit))
			r.keys = brokenKeys{Store: r.keys, slow: 25 * time.Second}
		}, "M044", "25s", nil},
		{"key gone", func(r *rig) { must(r.t, r.keys.Destroy(r.t.Context(), r.ref())) }, "M041", "no such key", nil},
		{"key that is not readable", func(r *rig) { r.keys = brokenKeys{Store: r.keys, open: fs.ErrPermission} }, "M041", "permission", nil},
		{"key that does not sign (a poisoned session, thin-edge.io#4352)", func(r *rig) { r.keys = brokenKeys{Store: r.keys, sign: errors.New("TPM_RC_INITIALIZE")} }, "M043", "TPM_RC_INITIALIZE",
			nil},
		{"key store that hangs", func(r *rig) {
			r.o.OpenKeys = func(ctx context.Context, _ string) (key.Store, error) {
				<-ctx.Done()
				time.Sleep(time.Second)
				return nil, ctx.Err()
			}
		}, "M046", "does not answer", nil},
		{"key store with one seat", func(r *rig) {
			r.keys = brokenKeys{Store: r.keys, sign: errors.New("TPM_RC_OBJECT_MEMORY")}
			r.o.Daemon = daemon{agent.Status{Connected: true, Generation: 1}}
		}, "M045", "TPM_RC_OBJECT_MEMORY", nil},
		{"key that is slow", func(r *rig) { r.keys = brokenKeys{Store: r.keys, slow: 3 * time.Second} }, "M044", "3s", nil},

		{"colon in the CN", func(r *rig) { leaf(func(c *x509.Certificate) { c.Subject.CommonName = "a:b" })(r) }, "M053", "", []doctor.Code{"M054"}},
		{"not valid yet", leaf(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), "M056", "", nil},
		{"renewal overdue", leaf(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().AddDate(0, 0, -100), time.Now().AddDate(0, 0, 19)
		}), "M057", "", nil},
		{"renewal due", leaf(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().AddDate(0, 0, -100), time.Now().AddDate(0, 0, 21)
		}), "", "", nil},
		{"self-signed", func(r *rig) { r.hold(selfSigned(r.t, r)) }, "M060", "", nil},
		{"issuer expired", func(r *rig) {
			a := newAuthority(r.t, func(c *x509.Certificate) {
				c.NotBefore, c.NotAfter = time.Now().AddDate(-2, 0, 0), time.Now().AddDate(0, 0, -1)
			})
			r.hold(a.leafOf(a.cert))
		}, "M061", "iot-dev", nil},
		{"weak key", func(r *rig) {
			weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
			must(r.t, err)
			above := newAuthority(r.t)
			issuer := authority{r.t, above.issue(weak.Public(), func(c *x509.Certificate) { *c = *template("weak", true) }), weak}
			r.hold(issuer.leafOf(issuer.cert))
		}, "M062", "P-256", nil},
		{"not enrolled", func(r *rig) { must(r.t, r.disk.Remove(state+"/current")) }, "M190", "", nil},
	}
	for _, tt := range tests {
		t.Run(strings.NewReplacer("#", " ", "(", "", ")", "").Replace(tt.name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				r := newRigOf(f)
				tt.set(r)
				if tt.want == "" {
					r.healthy()
					return
				}
				report := r.finds(tt.want, append(tt.also, tt.want)...)
				time.Sleep(2 * time.Second) // what hung ends
				for _, found := range report.Findings {
					if found.Code == tt.want && strings.Contains(found.Detail, tt.says) {
						return
					}
				}
				t.Errorf("want %q in\n%s", tt.says, text(report))
			})
		})
	}
}

// TestServerDoesNotWait: a server that gives a handshake ten seconds is not at fault
// if a key takes twelve.
func TestServerDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, easy(t))
		a := newAuthority(t)
		r.trust(a.cert, true)
		r.certificates()
		r.hold(a.leafOf(a.cert))
		must(t, agent.SaveSignLimit(r.disk, r.o.Config, time.Minute))
		r.keys = brokenKeys{Store: r.keys, slow: 12 * time.Second}
		r.finds("M048", "M048")
	})
}

// newRigOf is f.rig with a key store that tests may replace.
func newRigOf(f *fake) *rig {
	r := f.rig()
	r.o.OpenKeys = func(context.Context, string) (key.Store, error) { return r.keys, nil }
	return r
}

// write changes a file of the state directory.
func (r *rig) write(name, text string) {
	r.t.Helper()
	must(r.t, durable.WriteFile(r.disk, state+"/"+name, []byte(text), 0o644))
}

func (r *rig) ref() key.Ref {
	r.t.Helper()
	refs, err := r.keys.List(r.t.Context())
	must(r.t, err)
	return refs[0]
}

// closedFS lets one file not be read.
type closedFS struct {
	durable.FS
	path string
}

// ReadFile implements durable.FS.
func (c closedFS) ReadFile(path string) ([]byte, error) {
	if path == c.path {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}
	}
	return c.FS.ReadFile(path)
}

// ownedFS says that one path belongs to a user.
type ownedFS struct {
	durable.FS
	path string
	uid  uint32
}

// Lstat implements durable.FS.
func (o ownedFS) Lstat(path string) (fs.FileInfo, error) {
	info, err := o.FS.Lstat(path)
	stat := &syscall.Stat_t{Uid: uint32(syscall.Geteuid())}
	if path == o.path {
		stat.Uid = o.uid
	}
	return ownedInfo{info, stat}, err
}

type ownedInfo struct {
	fs.FileInfo
	stat *syscall.Stat_t
}

// Sys implements fs.FileInfo.
func (o ownedInfo) Sys() any { return o.stat }

// brokenKeys spoils what another store does.
type brokenKeys struct {
	key.Store
	list, open, sign error
	slow             time.Duration
}

// List implements key.Store.
func (b brokenKeys) List(ctx context.Context) ([]key.Ref, error) {
	if b.list != nil {
		return nil, b.list
	}
	return b.Store.List(ctx)
}

// Open implements key.Store.
func (b brokenKeys) Open(ctx context.Context, ref key.Ref) (crypto.Signer, error) {
	if b.open != nil {
		return nil, b.open
	}
	s, err := b.Store.Open(ctx, ref)
	return brokenSigner{s, b}, err
}

type brokenSigner struct {
	crypto.Signer
	b brokenKeys
}

// Sign implements crypto.Signer.
func (s brokenSigner) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	time.Sleep(s.b.slow)
	if s.b.sign != nil {
		return nil, s.b.sign
	}
	return s.Signer.Sign(r, digest, o)
}

// TestDaemonStates: what the running agent says is part of the picture.
func TestDaemonStates(t *testing.T) {
	tests := []struct {
		name   string
		daemon doctor.Daemon
		want   doctor.Code
	}{
		{"silent", broken{problem.New(problem.Unavailable, "the agent does not answer", nil)}, "M180"},
		{"refused for a reason that it knows", daemon{agent.Status{Generation: 1, LastError: &agent.LastError{Reason: "device-user-disabled"}}}, "M135"},
		{"not connected, no reason", daemon{agent.Status{Generation: 1}}, "M181"},
		{"waits for enrolment", daemon{agent.Status{}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.mqtt = func(*fakeSession) { t.Error("connected beside the running agent") }
				r := f.rig()
				r.o.Daemon = tt.daemon
				if tt.want == "" {
					r.healthy()
					return
				}
				r.finds(tt.want, "M182")
			})
		})
	}
}

type broken struct{ err error }

// Status implements doctor.Daemon.
func (b broken) Status(context.Context) (agent.Status, error) { return agent.Status{}, b.err }

// TestTimeUpIsNoFault: what is no longer examined is not said to be at fault.
func TestTimeUpIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.raw["8883"] = func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
		r := f.rig()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		report := r.examine(ctx)
		for _, finding := range report.Findings {
			if finding.Level == doctor.Error && !strings.HasSuffix(finding.Check, " mqtts") {
				t.Errorf("%s: %s %s", finding.Check, finding.Code, finding.Detail)
			}
		}
		if !strings.Contains(text(report), "M198") {
			t.Errorf("got\n%s", text(report))
		}
	})
}

// TestBoundedInTime: a server that swallows everything costs the time given,
// and what was not examined is said.
func TestBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		for port := range f.dials {
			f.raw[port] = func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
		}
		r := f.rig()
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		report := r.examine(ctx)
		if took := time.Since(begin); took > 16*time.Second {
			t.Errorf("took %v", took)
		}
		if !strings.Contains(text(report), "M198") || !strings.Contains(text(report), "M110") {
			t.Errorf("got\n%s", text(report))
		}
	})
}
