package main

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// deviceAppears is how long the kernel may take to find the network device
// after its driver was loaded.
const deviceAppears = 20 * time.Second

// network loads the drivers that /modules lists and sets the addresses of
// QEMU's user network: the host is 10.0.2.2, which QEMU turns into its loopback.
func network() error {
	list, err := os.ReadFile("/modules/list")
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(list)) {
		if err := load("/modules/" + name); err != nil {
			return fmt.Errorf("load %s: %w", name, err)
		}
	}
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) { // the kernel tells nobody else
		if _, err := os.Stat("/sys/class/net/eth0"); err == nil {
			break
		} else if time.Since(begun) > deviceAppears {
			return err
		}
	}
	if err := up("lo", netip.MustParseAddr("127.0.0.1"), 8); err != nil {
		return err
	}
	return up("eth0", netip.MustParseAddr("10.0.2.15"), 24)
}

func load(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() // it was only read
	return unix.FinitModule(int(f.Fd()), "", 0)
}

// up gives a device its address and switches it on.
func up(device string, address netip.Addr, bits int) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(s) }() // nothing was sent over it
	request, err := unix.NewIfreq(device)
	if err != nil {
		return err
	}
	mask := netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), bits).Masked().Addr()
	for _, set := range []struct {
		request uint
		address netip.Addr
	}{{unix.SIOCSIFADDR, address}, {unix.SIOCSIFNETMASK, mask}} {
		if err := request.SetInet4Addr(set.address.AsSlice()); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(s, set.request, request); err != nil {
			return fmt.Errorf("%s: address: %w", device, err)
		}
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("%s: up: %w", device, err)
	}
	return nil
}
