package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"mooring/agent/config"
	"mooring/internal/bounded"
)

const (
	// maxTail is how much of a program's output an error quotes, in bytes.
	maxTail = 300
	// killWait is between the end of a program and of what holds its output.
	killWait = 5 * time.Second
	// maxConfig bounds the configuration file, as the agent does.
	maxConfig = 256 << 10
)

// environment is all that programs get.
var environment = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}

// run runs a program to its end. What it started is stopped with it when ctx
// ends, and what stays in its process group when it ended before, at the time
// when ctx would have. Its standard output goes to out, which may be nil. It
// returns the last line of standard error and the exit status.
func (s *Server) run(ctx context.Context, argv []string, stdin io.Reader, out io.Writer) (tail string, status int, err error) {
	group, tail, status, err := start(ctx, argv, stdin, out)
	if end, limited := ctx.Deadline(); limited && alive(group) {
		s.watch(argv[0], group, end)
	}
	return tail, status, err
}

// start is run for a program whose background is its own business. It returns
// its process group, 0 if it never ran.
func start(ctx context.Context, argv []string, stdin io.Reader, out io.Writer) (group int, tail string, status int, err error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	last := &end{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, out, last
	cmd.Env, cmd.Dir, cmd.WaitDelay = environment, "/", killWait
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killTree(cmd.Process.Pid) }
	err = cmd.Run()
	if cmd.Process != nil {
		group = cmd.Process.Pid
	}
	if cause := context.Cause(ctx); errors.Is(cause, context.DeadlineExceeded) {
		return group, "", -1, fmt.Errorf("%s: stopped: it took longer than the configuration allows", argv[0])
	} else if cause != nil {
		return group, "", -1, fmt.Errorf("%s: stopped: %w", argv[0], cause)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return group, last.line(), exit.ExitCode(), nil
	}
	if errors.Is(err, exec.ErrWaitDelay) { // it left something behind in the background
		err = nil
	}
	return group, last.line(), 0, err
}

// failed makes an error of a program that ended with a status.
func failed(status int, tail string) error {
	text := fmt.Sprintf("exit status %d", status)
	if status < 0 {
		text = "killed by a signal"
	}
	if tail != "" {
		text += ": " + tail
	}
	return errors.New(text)
}

// head keeps the first bytes and drops the rest.
type head struct {
	limit int
	kept  []byte
	full  func() // called when something is dropped; it may be nil
}

func (h *head) Write(p []byte) (int, error) {
	n := min(len(p), h.limit-len(h.kept))
	h.kept = append(h.kept, p[:n]...)
	if n < len(p) && h.full != nil {
		h.full()
	}
	return len(p), nil
}

// end keeps the last bytes.
type end struct{ kept []byte }

func (e *end) Write(p []byte) (int, error) {
	e.kept = append(e.kept, p...)
	if len(e.kept) > 2*maxTail {
		e.kept = append([]byte(nil), e.kept[len(e.kept)-maxTail:]...)
	}
	return len(p), nil
}

// line is the last line that says something.
func (e *end) line() string {
	lines := strings.Split(strings.TrimSpace(printable(string(e.kept))), "\n")
	return bounded.Text(strings.TrimSpace(lines[len(lines)-1]), maxTail)
}

// printable replaces what is no text; line ends and tabs stay.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, s)
}

// trusted refuses a file that somebody else than root, or than who runs the
// helper, could have written: it would be run as root, or decide what is.
func trusted(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, not to root", path, st.Uid)
	}
	if info.Mode().Perm()&0o022 != 0 || !info.Mode().IsRegular() {
		return fmt.Errorf("%s must be a file that only its owner can write", path)
	}
	return nil
}

// LoadOperations reads what the configuration file allows. Only root, or who runs
// the helper, may be able to write the file.
func LoadOperations(path string) (config.Operations, error) {
	if err := trusted(path); err != nil {
		return config.Operations{}, fmt.Errorf("configuration: %w", err)
	}
	text, err := readRegular(path, maxConfig)
	if err != nil {
		return config.Operations{}, fmt.Errorf("configuration: %w", err)
	}
	o, err := config.LoadOperations(text)
	if err != nil {
		return o, fmt.Errorf("configuration %s: %w", path, err)
	}
	return o, nil
}

// checkedProgram is trusted for programs.
func checkedProgram(path string) error {
	if err := trusted(path); err != nil {
		return err
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is not executable", path)
	}
	return nil
}
