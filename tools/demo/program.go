package main

import (
	"bufio"
	"bytes"
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

// program is one of ours, running.
type program struct {
	cmd  *exec.Cmd
	out  *bufio.Reader
	done chan error
}

// start runs a program in the background. It outlives ctx: it is stopped by
// its own process ID, or left running with KEEP=1.
func (d *demo) start(name string, args ...string) (*program, error) {
	log, err := os.Create(d.path(name + ".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &program{cmd: exec.Command(filepath.Join(d.bin, name), args...), done: make(chan error, 1)}
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: d.keep}
	stdout, stdoutWriter, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout = stdoutWriter
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, stdout.Close(), stdoutWriter.Close())
	}
	p.out = bufio.NewReader(stdout)
	go func() { p.done <- p.cmd.Wait() }()
	pid := strconv.Itoa(p.cmd.Process.Pid)
	return p, errors.Join(stdoutWriter.Close(), os.WriteFile(d.path(name+".pid"), []byte(pid), 0o600))
}

// stop asks the program to end and waits for it, for a while.
func (p *program) stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
	}
}

func (d *demo) stopAll() {
	d.agent.stop()
	d.server.stop()
}

// run runs a program to its end and returns what it printed on stdout.
func (d *demo) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, name), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), &runError{err, name, args[0], strings.TrimSpace(stderr.String())}
	}
	return stdout.String(), nil
}

// runError is a program that failed, with what it said.
type runError struct {
	error
	name, command, said string
}

func (e *runError) Error() string {
	return fmt.Sprintf("%s %s: %v: %s", e.name, e.command, e.error, e.said)
}

func (e *runError) Unwrap() error { return e.error }

func (d *demo) showLogs(to io.Writer) {
	for _, name := range []string{"mooring-server", "mooring-agent"} {
		if text, err := os.ReadFile(d.path(name + ".log")); err == nil && len(text) > 0 {
			const most = 4000
			fmt.Fprintf(to, "\n--- %s.log\n%s", name, text[max(0, len(text)-most):])
		}
	}
}

// tearDown ends what an earlier demo left, by the process IDs it wrote down. A
// process is only ended if it still runs the program that the demo started.
func tearDown(dir string, out io.Writer) error {
	for _, name := range []string{"mooring-agent", "mooring-server"} {
		file := filepath.Join(dir, name+".pid")
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && strings.HasPrefix(filepath.Base(exe), name) {
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				return err
			}
			fmt.Fprintf(out, "stopped %s (process %d)\n", name, pid)
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// readyLine is what the server prints when every listener accepts.
type readyLine struct {
	HTTPS, MTLS, MQTTS, Admin, Root string
}

func (p *program) waitReady(ctx context.Context) (ready readyLine, err error) {
	line := make(chan error, 1)
	go func() {
		text, err := p.out.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(text, &ready)
		}
		line <- err
	}()
	select {
	case err := <-line:
		return ready, err
	case err := <-p.done:
		p.done <- err
		return ready, fmt.Errorf("the server ended: %w", err)
	case <-ctx.Done():
		return ready, ctx.Err()
	}
}
