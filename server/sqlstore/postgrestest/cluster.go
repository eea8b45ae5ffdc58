package postgrestest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// cluster is a PostgreSQL server of ours.
type cluster struct {
	bin   string // where initdb and postgres are
	dir   string // the socket; the data below it
	owner *syscall.Credential

	process *os.Process
	ended   chan struct{} // closed when the server has ended
}

// newCluster creates and starts a server.
func newCluster() (*cluster, error) {
	c := &cluster{}
	var err error
	if c.bin, err = findPrograms(); err != nil {
		return nil, err
	}
	if c.dir, err = os.MkdirTemp("", "mooring-pg-"); err != nil { // short: a socket's path has 107 bytes
		return nil, err
	}
	if err = c.create(); err == nil {
		err = c.start()
	}
	if err != nil {
		_ = os.RemoveAll(c.dir)
		return nil, err
	}
	return c, nil
}

// findPrograms prefers the newest version that is installed.
func findPrograms() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 {
		return filepath.Dir(found[0]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", fmt.Errorf("initdb is missing; install Debian's package postgresql")
	}
	return filepath.Dir(path), nil
}

func version(initdb string) int {
	n, _ := strconv.Atoi(strings.Split(initdb, "/")[4])
	return n
}

// create runs initdb. PostgreSQL refuses to run as root, so root hands the
// directory to the user postgres.
func (c *cluster) create() error {
	if os.Geteuid() == 0 {
		if err := c.handOver(); err != nil {
			return err
		}
	}
	cmd := exec.Command(filepath.Join(c.bin, "initdb"), "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (c *cluster) handOver() error {
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("root cannot run PostgreSQL: %w", err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	c.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(c.dir, int(uid), int(gid))
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

// start returns when the server accepts connections. The server ends with this
// process, however that ends: the signal comes when the starting thread does,
// so that thread waits for it.
func (c *cluster) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd := exec.Command(filepath.Join(c.bin, "postgres"), "-D", c.data(), "-k", c.dir, "-F",
			"-c", "listen_addresses=", "-c", "max_connections=100", "-c", "log_min_messages=log", "-c", "logging_collector=off")
		cmd.Dir = c.dir
		cmd.Env = append(os.Environ(), "LC_MESSAGES=C")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner, Pdeathsig: syscall.SIGQUIT}
		log, err := cmd.StderrPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			started <- err
			return
		}
		c.process, c.ended = cmd.Process, make(chan struct{})
		defer close(c.ended)
		started <- awaitReady(log)
		_, _ = io.Copy(io.Discard, log)
		_ = cmd.Wait()
	}()
	return <-started
}

// awaitReady reads the server's log up to the line that says so.
func awaitReady(log io.Reader) error {
	var seen bytes.Buffer
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "ready to accept connections") {
			return nil
		}
		seen.WriteString(lines.Text() + "\n")
	}
	return fmt.Errorf("the server ended: %s", seen.String())
}

// crash kills the server without a checkpoint.
func (c *cluster) crash() error {
	err := c.process.Signal(syscall.SIGQUIT) // immediate shutdown: recovery at the next start
	<-c.ended
	return err
}

func (c *cluster) stop() {
	_ = c.process.Signal(syscall.SIGINT) // fast shutdown: open sessions are ended
	<-c.ended
	_ = os.RemoveAll(c.dir)
}
