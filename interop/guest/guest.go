// Package guest boots an emulated ARMv7 machine with Debian's kernel and runs
// programs of ours in it.
//
// The machine has nothing but an initramfs: what the caller puts there and the
// program in the folder init, which calls back over QEMU's user network and
// carries out what it is told. The host's loopback is "localhost" there.
package guest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// bootLimit is what booting may take; it takes some seconds on a machine that has time.
	bootLimit = 3 * time.Minute
	// orderLimit is what one order may take.
	orderLimit = 3 * time.Minute
	// endLimit is what QEMU gets to end after the machine was switched off.
	endLimit = 10 * time.Second
	// maxMemory of the machine, in MiB.
	maxMemory = 256
)

// Config says what to boot.
type Config struct {
	// Dir is where cross/armv7-kernel.sh has put the kernel; KernelDir finds it.
	Dir string
	// Programs are files of the host by their paths in the guest.
	Programs map[string]string
	// Counted runs the machine by the count of instructions, 2 ns each, so that
	// its CPU time does not depend on what else the host does.
	Counted bool
}

// Missing says what this machine lacks to boot a guest; empty: nothing.
func Missing() string {
	if _, err := exec.LookPath("qemu-system-arm"); err != nil {
		return "qemu-system-arm is not there: cross/armv7-kernel.sh installs it"
	}
	if _, err := os.Stat(filepath.Join(KernelDir(), "vmlinuz")); err != nil {
		return "no kernel for the emulated machine: cross/armv7-kernel.sh fetches it"
	}
	return ""
}

// KernelDir is where the kernel is kept from run to run.
func KernelDir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir() // as a user without a home
	}
	return filepath.Join(cache, "mooring", "armv7")
}

// Guest is a machine that runs.
type Guest struct {
	dir     string
	qemu    *exec.Cmd
	ended   chan error
	console *os.File
	line    net.Conn
	answers *json.Decoder
}

// Boot starts the machine and waits until it has called back.
func Boot(ctx context.Context, c Config) (g *Guest, err error) {
	g = &Guest{ended: make(chan error, 1)}
	if g.dir, err = os.MkdirTemp("", "mooring-guest-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}()
	disk, err := initramfs(ctx, c, g.dir)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if g.console, err = os.Create(filepath.Join(g.dir, "console")); err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String()) // it is an address
	args := []string{"-M", "virt", "-cpu", "cortex-a15", "-accel", "tcg", "-m", fmt.Sprint(maxMemory), "-nographic", "-no-reboot",
		"-netdev", "user,id=n", "-device", "virtio-net-device,netdev=n", "-kernel", filepath.Join(c.Dir, "vmlinuz"), "-initrd", disk,
		"-append", "console=ttyAMA0 quiet panic=-1 rdinit=/init mooring.host=10.0.2.2:" + port}
	if c.Counted {
		args = append(args, "-icount", "shift=1")
	}
	g.qemu = exec.Command("qemu-system-arm", args...)
	g.qemu.Stdout, g.qemu.Stderr = g.console, g.console
	if err := g.qemu.Start(); err != nil {
		g.qemu = nil
		return nil, err
	}
	go func() { g.ended <- g.qemu.Wait() }()
	return g, g.answerCall(ctx, l)
}

// answerCall waits for the machine, which may end instead.
func (g *Guest) answerCall(ctx context.Context, l net.Listener) error {
	limit, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	called := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		g.line = c
		called <- err
	}()
	var err error
	select {
	case err = <-called:
	case err = <-g.ended:
		g.ended <- err
		err = errors.Join(errors.New("the emulated machine ended"), err)
	case <-limit.Done():
		err = fmt.Errorf("the emulated machine does not call back: %w", limit.Err())
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, g.Console())
	}
	g.answers = json.NewDecoder(bufio.NewReader(g.line))
	return nil
}

// Console is what the kernel and init have written.
func (g *Guest) Console() string {
	text, err := os.ReadFile(filepath.Join(g.dir, "console"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Do has one order carried out. A program that ends with another status than 0
// is an answer, not an error.
func (g *Guest) Do(ctx context.Context, o Order) (Answer, error) {
	deadline := time.Now().Add(orderLimit)
	if at, ok := ctx.Deadline(); ok && at.Before(deadline) {
		deadline = at
	}
	err := g.line.SetDeadline(deadline)
	if err == nil {
		err = json.NewEncoder(g.line).Encode(o)
	}
	var a Answer
	if err == nil {
		err = g.answers.Decode(&a)
	}
	if err == nil && a.Error != "" {
		err = fmt.Errorf("%s\n%s", a.Error, a.Out)
	}
	if err != nil {
		return a, fmt.Errorf("in the emulated machine: %w", err)
	}
	return a, nil
}

// Run runs a program to its end, which must be status 0.
func (g *Guest) Run(ctx context.Context, args ...string) (Answer, error) {
	a, err := g.Do(ctx, Order{Run: args})
	if err == nil && a.Status != 0 {
		err = fmt.Errorf("%s: status %d\n%s", strings.Join(args, " "), a.Status, a.Out)
	}
	return a, err
}

// Write makes a file in the guest.
func (g *Guest) Write(ctx context.Context, path string, text []byte) error {
	_, err := g.Do(ctx, Order{Write: &File{path, text}})
	return err
}

// Close switches the machine off.
func (g *Guest) Close() error {
	var err error
	if g.line != nil {
		err = g.line.Close()
	}
	if g.qemu != nil {
		limit := time.After(endLimit)
		if g.line == nil {
			_ = g.qemu.Process.Signal(syscall.SIGTERM) // it may have ended
		}
		select {
		case <-g.ended:
		case <-limit:
			err = errors.Join(err, errors.New("the emulated machine did not switch itself off"), g.qemu.Process.Kill())
			<-g.ended
		}
	}
	if g.console != nil {
		err = errors.Join(err, g.console.Close())
	}
	return errors.Join(err, os.RemoveAll(g.dir))
}
