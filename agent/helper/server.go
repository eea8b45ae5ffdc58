// Package helper does, as root, the few things that the agent may not: the
// agent runs in a sandbox without rights, and whoever takes it over gets no
// further than the verbs of this package, for the files, plugins and commands
// that the configuration file allows. It is started by systemd when somebody
// connects to its socket, and ends when nobody has needed it for a while.
//
// One connection is one request. What changes the device has a key and happens
// once for it: the helper notes on disk what it begins and what came of it, and
// goes on when the agent hangs up. Only one such thing happens at a time.
package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"mooring/agent/config"
	"mooring/internal/bounded"
	"mooring/internal/durable"
)

const (
	// DefaultDir is where the helper notes its work and keeps files meanwhile.
	DefaultDir = "/var/lib/mooring-helper"

	// maxConnections is how many callers are served at once; the agent needs two.
	maxConnections = 8
	// frameLimit bounds the wait for each frame of a caller, and for it to take
	// one.
	frameLimit = time.Minute
	filesDir   = "files"
	// maxError bounds what is told of errors, in bytes.
	maxError = 2 << 10
)

// Options are what a Server is made from.
type Options struct {
	Operations config.Operations
	// Reread reads the configuration again, before each request: a change is in
	// force at once. One that is wrong changes nothing. Nil: it never changes.
	Reread func() (config.Operations, error)
	Dir    string // private to root
	// Idle is how long a server without work waits before it ends; zero is for
	// ever.
	Idle time.Duration
	// UID is the user of the agent; root may ask, too.
	UID int
	Log *slog.Logger // nil discards
}

// Server is the helper.
type Server struct {
	o    Options
	log  *slog.Logger
	jobs *jobs
	keys []publicKey

	slots  chan struct{} // one for each connection
	change chan struct{} // held while the device is changed
	work   *sync.WaitGroup
	left   *leftovers
}

// Open reads what an earlier helper left in o.Dir and takes away files that were
// meant for it.
func Open(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o, log: o.Log, slots: make(chan struct{}, maxConnections), change: make(chan struct{}, 1), work: &sync.WaitGroup{}, left: newLeftovers()}
	var err error
	if s.o.Dir, err = filepath.Abs(o.Dir); err != nil { // programs run in another directory
		return nil, err
	}
	if err := durable.MkdirAll(durable.OS, o.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := durable.RemoveAll(durable.OS, filepath.Join(o.Dir, filesDir)); err != nil {
		return nil, err
	}
	var damaged error
	if s.jobs, damaged, err = loadJobs(durable.OS, o.Dir); err != nil {
		return nil, errors.Join(damaged, err)
	}
	if damaged != nil {
		s.log.Error("the notes of an earlier helper were damaged and are set aside; what it was asked for is not done again",
			"file", filepath.Join(o.Dir, jobsFile+".damaged"), "err", damaged)
	}
	if s.keys, err = parseKeys(o.Operations.Download.Keys); err != nil {
		return nil, err
	}
	return s, nil
}

// Serve answers until ctx ends or nobody has come for a while; then it waits for
// what is under way. Programs that run are not stopped by it: a package manager
// is better left to finish, and has its own limit of time.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	defer close(s.left.over)
	defer s.work.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		if s.o.Idle > 0 {
			_ = l.SetDeadline(time.Now().Add(s.o.Idle)) // only a closed listener refuses, which Accept says too
		}
		c, err := l.AcceptUnix()
		switch {
		case err == nil:
			s.accept(c)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			if s.idle() {
				return nil
			}
		default:
			return err
		}
	}
}

// idle reports whether nothing is under way.
func (s *Server) idle() bool {
	return len(s.slots) == 0 && len(s.change) == 0 && s.left.groups.Load() == 0
}

func (s *Server) accept(c *net.UnixConn) {
	select {
	case s.slots <- struct{}{}:
	default:
		_ = c.Close()
		s.log.Warn("too many connections", "limit", maxConnections)
		return
	}
	s.reread()
	now := *s // a request keeps the configuration that it began with
	s.work.Go(func() {
		defer func() { <-s.slots }()
		defer func() { _ = c.Close() }()
		uid, err := peer(c)
		if err != nil || uid != 0 && uid != s.o.UID {
			s.log.Warn("refused", "uid", uid, "err", err)
			conn := &deadlineConn{c}
			if _, _, err := readFrame(conn); err == nil { // closed unread, the answer would be lost
				_ = writeJSON(conn, kindResult, Result{Error: "this user may not ask the helper"})
			}
			return
		}
		now.serve(c)
	})
}

// reread takes a changed configuration. Only Serve's goroutine calls it.
func (s *Server) reread() {
	if s.o.Reread == nil {
		return
	}
	operations, err := s.o.Reread()
	var keys []publicKey
	if err == nil {
		keys, err = parseKeys(operations.Download.Keys)
	}
	if err != nil {
		s.log.Error("the configuration is wrong and the old one stays in force", "err", err)
		return
	}
	s.o.Operations, s.keys = operations, keys
}

// peer is the user at the other end, as the kernel knows it.
func peer(c *net.UnixConn) (uid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	uid = -1
	controlErr := raw.Control(func(fd uintptr) {
		var cred *syscall.Ucred
		if cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			uid = int(cred.Uid)
		}
	})
	return uid, errors.Join(controlErr, err)
}

// serve answers one request.
func (s *Server) serve(c net.Conn) {
	conn := &deadlineConn{c}
	r, err := readRequest(conn)
	if err != nil {
		s.log.Warn("not a request", "err", err)
		_ = writeJSON(conn, kindResult, Result{Error: err.Error()}) // it hung up: nothing else to do
		return
	}
	result := s.answer(conn, &r)
	s.log.Info("done", "verb", string(r.Verb), "name", r.Name, "key", r.Key, "error", result.Error)
	if err := writeJSON(conn, kindResult, result); err != nil {
		s.log.Warn("the caller did not wait", "verb", string(r.Verb), "err", err)
	}
}

func readRequest(r io.Reader) (Request, error) {
	var q Request
	kind, payload, err := readFrame(r)
	if err != nil {
		return q, err
	}
	if kind != kindRequest {
		return q, errFrame
	}
	if err := json.Unmarshal(payload, &q); err != nil {
		return q, fmt.Errorf("the request cannot be read: %w", err)
	}
	return q, q.validate()
}

// answer carries a request out.
func (s *Server) answer(conn io.ReadWriter, r *Request) Result {
	if !keyed[r.Verb] {
		return resultOf(s.look(conn, r))
	}
	if j := s.jobs.find(r.Key); j != nil {
		<-j.done // its own limit of time ends it
		return *j.Result
	}
	files, err := s.receive(conn, r)
	if err != nil {
		return Result{Error: err.Error()}
	}
	defer files.remove(s.log)
	j, fresh, err := s.jobs.begin(r.Key)
	if err != nil {
		return Result{Error: "the helper cannot note what it begins: " + err.Error()}
	}
	if !fresh {
		<-j.done
		return *j.Result
	}
	result := s.changeDevice(r, files)
	if err := s.jobs.end(j, result); err != nil {
		s.log.Warn("the result is not on disk", "key", r.Key, "err", err)
	}
	return result
}

// look does what changes nothing, or, as a restart, nothing twice.
func (s *Server) look(conn io.ReadWriter, r *Request) error {
	data := dataWriter{conn}
	switch r.Verb {
	case ReadConfig:
		return s.readConfig(data, r.Name)
	case ReadLog:
		return s.readLog(data, r)
	case ListSoftware:
		return s.listSoftware(data)
	case CheckFirmware:
		return s.firmware(r, "check")
	case CommitFirmware:
		return s.firmware(r, "commit")
	case Restart:
		return s.restart()
	}
	return errors.New("the helper knows no such verb")
}

// changeDevice does one thing at a time.
func (s *Server) changeDevice(r *Request, f *files) Result {
	s.change <- struct{}{}
	defer func() { <-s.change }()
	switch r.Verb {
	case WriteConfig:
		return resultOf(s.writeConfig(r.Name, f.paths[0]))
	case UpdateSoftware:
		return resultOf(s.updateSoftware(r.Items, f))
	case InstallFirmware:
		return s.installFirmware(r, f.paths[0])
	}
	return s.command(r.Name)
}

func resultOf(err error) Result {
	if err != nil {
		return Result{Error: bounded.Text(printable(strings.ToValidUTF8(err.Error(), "\uFFFD")), maxError)}
	}
	return Result{}
}

// deadlineConn gives each read and write its time.
type deadlineConn struct{ net.Conn }

func (c *deadlineConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(frameLimit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *deadlineConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(frameLimit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
