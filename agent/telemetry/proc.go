package telemetry

import (
	"bufio"
	"bytes"
	"io"
	"io/fs"
	"strconv"
	"strings"
)

const (
	// maxFile bounds a file of /proc or /sys: 1,000 processors, or network
	// interfaces, fit.
	maxFile = 128 << 10
	// maxZones bounds the thermal zones that are looked at. The kernel gives them
	// the lowest number that is free.
	maxZones = 64
)

// read reads a small file whole; nil if it cannot be read.
func read(fsys fs.FS, name string) []byte {
	f, err := fsys.Open(name)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil
	}
	return text
}

// lines calls do with the fields of each line.
func lines(text []byte, do func(fields []string)) {
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		do(strings.Fields(s.Text()))
	}
}

func number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0 // what is no number does not count
	}
	return n
}

// cpu is the time of all processors since the start, in ticks (proc_stat(5)).
type cpu struct{ busy, total uint64 }

func readCPU(fsys fs.FS) (c cpu, ok bool) {
	lines(read(fsys, "proc/stat"), func(f []string) {
		if len(f) < 5 || f[0] != "cpu" {
			return
		}
		for i, field := range f[1:min(len(f), 9)] { // guest time, the ninth, is part of user time
			n := number(field)
			c.total += n
			if i != 3 && i != 4 { // idle, iowait
				c.busy += n
			}
		}
		ok = c.total > 0
	})
	return c, ok
}

// memory is in bytes (proc_meminfo(5)).
type memory struct{ total, available uint64 }

func readMemory(fsys fs.FS) (m memory, ok bool) {
	var free, cached, buffers uint64
	seen := false
	lines(read(fsys, "proc/meminfo"), func(f []string) {
		if len(f) < 2 {
			return
		}
		n := number(f[1]) << 10
		switch f[0] {
		case "MemTotal:":
			m.total = n
		case "MemAvailable:":
			m.available, seen = n, true
		case "MemFree:":
			free = n
		case "Cached:":
			cached = n
		case "Buffers:":
			buffers = n
		}
	})
	if !seen { // Linux before 3.14
		m.available = free + cached + buffers
	}
	return m, m.total > 0 && m.available <= m.total
}

// network has the bytes of all interfaces but lo since the start (proc_pid_net(5)).
type network struct{ received, sent uint64 }

func readNetwork(fsys fs.FS) (n network, ok bool) {
	for line := range bytes.Lines(read(fsys, "proc/net/dev")) {
		name, rest, found := strings.Cut(string(line), ":")
		f := strings.Fields(rest)
		if !found || len(f) < 16 {
			continue
		}
		ok = true
		if strings.TrimSpace(name) != "lo" {
			n.received += number(f[0])
			n.sent += number(f[8])
		}
	}
	return n, ok
}

// readTemperature is that of the hottest zone, in degrees Celsius.
func readTemperature(fsys fs.FS) (hottest float64, ok bool) {
	for zone := range maxZones {
		text := read(fsys, "sys/class/thermal/thermal_zone"+strconv.Itoa(zone)+"/temp")
		milli, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || milli < -100_000 || milli > 300_000 { // no zone, or no sensor
			continue
		}
		if t := float64(milli) / 1000; !ok || t > hottest {
			hottest, ok = t, true
		}
	}
	return hottest, ok
}
