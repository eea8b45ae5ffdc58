// Command init is the first process of the emulated machine: it brings up the
// network, calls the host, and carries out what the host orders until the
// connection ends. Then the machine is switched off.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"mooring/interop/guest"
)

func main() {
	err := serve()
	fmt.Println("init:", err)                        // to the serial console
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF) // returns only if it fails, and then there is nobody to tell
}

func serve() error {
	for _, m := range []struct{ what, where string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}, {"tmpfs", "/tmp"}} {
		if err := errors.Join(os.MkdirAll(m.where, 0o755), unix.Mount(m.what, m.where, m.what, 0, "")); err != nil {
			return fmt.Errorf("mount %s: %w", m.where, err)
		}
	}
	host, err := parameter("mooring.host")
	if err != nil {
		return err
	}
	if err := network(); err != nil {
		return err
	}
	c, err := net.Dial("tcp", host)
	if err != nil {
		return err
	}
	in, out := json.NewDecoder(bufio.NewReader(c)), json.NewEncoder(c)
	s := newStarted()
	for {
		var o guest.Order
		if err := in.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a, err := s.carryOut(o)
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}

// parameter is a value of the kernel's command line.
func parameter(name string) (string, error) {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return "", err
	}
	for word := range strings.FieldsSeq(string(line)) {
		if value, ok := strings.CutPrefix(word, name+"="); ok {
			return value, nil
		}
	}
	return "", errors.New("no " + name + " on the kernel's command line")
}
