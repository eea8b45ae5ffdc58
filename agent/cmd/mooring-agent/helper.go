package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"mooring/agent/config"
	"mooring/agent/helper"
)

var helperCommand = command{
	name:   "operation-helper",
	hidden: true,
	short:  "do as root what the configuration allows the agent to ask for",
	long: "Does as root what the configuration file allows the agent to ask for: restart,\n" +
		"files of configurations and logs, software and firmware through plugins, and\n" +
		"the commands that are named there. systemd starts it when the agent connects to\n" +
		"mooring-helper.socket; elsewhere it opens its socket itself.",
	example: "mooring-agent operation-helper --socket /run/mooring-helper.sock --uid 998",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		file := f.String("config", config.DefaultFile, "configuration `file`; only root may be able to write it")
		dir := f.String("dir", helper.DefaultDir, "private `directory`")
		socket := f.String("socket", "", "`path` of a socket to open; empty: systemd passes one")
		uid := f.Int("uid", -1, "`user` ID of the agent; -1: the owner of the socket")
		idle := f.Duration("idle", 5*time.Minute, "`how long` to wait for work before ending; 0: for ever")
		return func(args []string) error {
			if len(args) > 0 {
				return usagef("operation-helper takes no arguments")
			}
			return p.serveHelper(*file, *dir, *socket, *uid, *idle)
		}
	},
}

func (p *program) serveHelper(file, dir, socket string, uid int, idle time.Duration) error {
	operations, err := helper.LoadOperations(file)
	if err != nil {
		return usageError{err}
	}
	l, uid, err := helperSocket(socket, uid)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(p.stderr, nil))
	reread := func() (config.Operations, error) { return helper.LoadOperations(file) }
	s, err := helper.Open(helper.Options{Operations: operations, Reread: reread, Dir: dir, UID: uid, Idle: idle, Log: log})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return s.Serve(p.ctx, l)
}

// helperSocket opens the socket at path, or takes the one that systemd passes
// (sd_listen_fds(3)), and says whose it is.
func helperSocket(path string, uid int) (*net.UnixListener, int, error) {
	if path != "" {
		return openHelperSocket(path, uid)
	}
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) || os.Getenv("LISTEN_FDS") != "1" {
		return nil, 0, usagef("operation-helper is started by systemd for mooring-helper.socket, or with --socket")
	}
	const firstPassed = 3 // SD_LISTEN_FDS_START
	f := os.NewFile(firstPassed, "socket")
	passed, err := net.FileListener(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, 0, err
	}
	l, ok := passed.(*net.UnixListener)
	if !ok {
		return nil, 0, errors.New("the socket that was passed is no UNIX socket")
	}
	if uid < 0 {
		info, err := os.Lstat(l.Addr().String())
		if err != nil {
			return nil, 0, err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			uid = int(st.Uid)
		}
	}
	return l, uid, nil
}

// openHelperSocket replaces a socket that an earlier helper left, and nothing
// else.
func openHelperSocket(path string, uid int) (*net.UnixListener, int, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, 0, err
		}
	}
	before := syscall.Umask(0o177)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	syscall.Umask(before)
	if err != nil {
		return nil, 0, err
	}
	if uid < 0 {
		return l, os.Geteuid(), nil
	}
	if err := os.Lchown(path, uid, -1); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("socket for user %d: %w", uid, err), l.Close())
	}
	return l, uid, nil
}
