package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mooring/interop/guest"
)

// awaitLimit bounds the wait for a line; the host gives up earlier.
const awaitLimit = 5 * time.Minute

// started are the processes that go on running.
type started struct {
	byPID map[int]*process
}

func newStarted() *started { return &started{byPID: map[int]*process{}} }

// process is one of them, and what it has told its service manager.
type process struct {
	cmd   *exec.Cmd
	begun time.Time
	out   *os.File // standard output and error
	said  *net.UnixConn
}

// environment is what programs get: no PATH leads to anything.
func environment() []string { return []string{"HOME=/root", "PATH=/bin", "TZ=UTC"} }

func (s *started) carryOut(o guest.Order) (guest.Answer, error) {
	switch {
	case o.Write != nil:
		err := os.MkdirAll(filepath.Dir(o.Write.Path), 0o755)
		return guest.Answer{}, errors.Join(err, os.WriteFile(o.Write.Path, o.Write.Text, 0o600))
	case o.Read != "":
		text, err := os.ReadFile(o.Read)
		return guest.Answer{Out: text}, err
	case len(o.Run) > 0:
		return run(o.Run)
	case len(o.Start) > 0:
		return s.start(o.Start)
	case o.Await != nil:
		return s.await(o.Await.PID, o.Await.Text)
	case o.Stop != 0:
		return s.stop(o.Stop)
	}
	return guest.Answer{}, errors.New("an order that says nothing")
}

func run(args []string) (guest.Answer, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = environment()
	begun := time.Now()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		return guest.Answer{}, err
	}
	return guest.Answer{Status: cmd.ProcessState.ExitCode(), Out: out, CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Wall: time.Since(begun)}, nil
}

func (s *started) start(args []string) (guest.Answer, error) {
	dir, err := os.MkdirTemp("/run", "started")
	if err != nil {
		return guest.Answer{}, err
	}
	socket := filepath.Join(dir, "notify")
	p := &process{cmd: exec.Command(args[0], args[1:]...)}
	if p.said, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"}); err != nil {
		return guest.Answer{}, err
	}
	if p.out, err = os.Create(filepath.Join(dir, "out")); err != nil {
		return guest.Answer{}, err
	}
	p.cmd.Env = append(environment(), "NOTIFY_SOCKET="+socket)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.begun = time.Now()
	if err := p.cmd.Start(); err != nil {
		return guest.Answer{}, err
	}
	s.byPID[p.cmd.Process.Pid] = p
	return guest.Answer{PID: p.cmd.Process.Pid}, nil
}

func (s *started) await(pid int, text string) (guest.Answer, error) {
	p := s.byPID[pid]
	if p == nil {
		return guest.Answer{}, errors.New("no such process")
	}
	if err := p.said.SetReadDeadline(time.Now().Add(awaitLimit)); err != nil {
		return guest.Answer{}, err
	}
	line := make([]byte, 4096)
	for {
		n, err := p.said.Read(line)
		if err != nil {
			said, _ := os.ReadFile(p.out.Name()) // what there is of it
			return guest.Answer{Out: said}, fmt.Errorf("it never said %q: %w", text, err)
		}
		if strings.Contains(string(line[:n]), text) {
			used, err := cpuTime(pid)
			return guest.Answer{CPU: used, Wall: time.Since(p.begun)}, err
		}
	}
}

// cpuTime reads the CPU-time clock of a process, which counts in nanoseconds
// (clock_getcpuclockid(3); the ID is made as Linux makes it).
func cpuTime(pid int) (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|schedClock), &ts)
	return time.Duration(ts.Nano()), err
}

func (s *started) stop(pid int) (guest.Answer, error) {
	p := s.byPID[pid]
	if p == nil {
		return guest.Answer{}, errors.New("no such process")
	}
	delete(s.byPID, pid)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return guest.Answer{}, err
	}
	_ = p.cmd.Wait() // its exit status is in the answer
	out, err := os.ReadFile(p.out.Name())
	return guest.Answer{Status: p.cmd.ProcessState.ExitCode(), Out: out}, errors.Join(err, p.said.Close(), p.out.Close())
}
