package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a child whose CPU time and memory are read from /proc.
type process struct {
	cmd   *exec.Cmd
	out   *bufio.Reader
	ready map[string]any // the first line it printed
	log   string
}

// start runs a program and waits for its first line, which is JSON.
func start(ctx context.Context, logFile string, env []string, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, name, args...), log: logFile}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 15 * time.Second
	stderr, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	p.cmd.Stderr = stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(stdout)
	line, err := p.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p.ready)
	}
	if err != nil {
		said, _ := os.ReadFile(logFile)
		return nil, errors.Join(fmt.Errorf("%s did not get ready: %w\n%s", filepath.Base(name), err, said), p.stop())
	}
	return p, nil
}

// addr is an address of the ready line.
func (p *process) addr(name string) string {
	s, _ := p.ready[name].(string)
	return s
}

// stop ends the process by its own ID and waits for it.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_, _ = io.Copy(io.Discard, p.out)
	err := p.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Sys().(syscall.WaitStatus).Signaled() {
		return nil
	}
	return err
}

// clockTicks is USER_HZ, 100 on every Linux that Go runs on.
const clockTicks = 100

// cpu is the CPU time (user+system) the process has used so far.
func (p *process) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// Fields count from after the last ')': state is field 3, utime 14, stime 15.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	utime, err1 := strconv.ParseInt(fields[11], 10, 64)
	stime, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(utime+stime) * time.Second / clockTicks, errors.Join(err1, err2)
}

// memory is the value of a field of a file in /proc/PID, in KiB: Rss or Pss of
// smaps_rollup, VmHWM of status.
func (p *process) memory(file, field string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
	if err != nil {
		return 0, err
	}
	return kib(string(text), field)
}

func kib(text, field string) (float64, error) {
	for line := range strings.SplitSeq(text, "\n") {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			return strconv.ParseFloat(strings.Fields(rest)[0], 64)
		}
	}
	return 0, fmt.Errorf("no %s in it", field)
}

// rate runs work and returns operations per CPU-second of p.
func (p *process) rate(n int, work func() error) (float64, error) {
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	if err := work(); err != nil {
		return 0, err
	}
	after, err := p.cpu()
	if err != nil {
		return 0, err
	}
	return float64(n) / (after - before).Seconds(), nil
}

// adminPassword is the development administrator's in every benchmark.
const adminPassword = "bench-admin-password"

// startServer runs mooring-server on a fresh directory and free ports.
func startServer(ctx context.Context, s settings, env ...string) (*process, string, error) {
	dir, err := os.MkdirTemp("", "mooring-bench-")
	if err != nil {
		return nil, "", err
	}
	args := []string{"serve", "--data", filepath.Join(dir, "data"), "--dev", "--log-level", "warn",
		"--https", "127.0.0.1:0", "--mtls", "127.0.0.1:0", "--mqtts", "127.0.0.1:0", "--admin", "127.0.0.1:0"}
	if s.profiles != "" {
		args = append(args, "--debug")
	}
	p, err := start(ctx, filepath.Join(dir, "server.log"), append(env, "MOORING_ADMIN_PASSWORD="+adminPassword), s.server, args...)
	return p, dir, err
}

// startYardstick runs this program in another role.
func startYardstick(ctx context.Context, dir, role string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(ctx, filepath.Join(dir, role+".log"), nil, self, "-role", role)
}
