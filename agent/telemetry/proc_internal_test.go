package telemetry

import (
	"errors"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

func files(list ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(list); i += 2 {
		m[list[i]] = &fstest.MapFile{Data: []byte(list[i+1])}
	}
	return m
}

func TestReadCPU(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       cpu
		ok         bool
	}{
		{"all", "cpu  10 2 3 80 4 1 1 1 5 5\ncpu0 1 1 1 1\nintr 5\n", cpu{18, 102}, true},
		{"old kernel", "cpu 10 2 3 80\n", cpu{15, 95}, true},
		{"nothing yet", "cpu 0 0 0 0\n", cpu{}, false},
		{"too short", "cpu 1 2\n", cpu{}, false},
		{"no numbers", "cpu a b c d e\n", cpu{}, false},
		{"other", "what is this", cpu{}, false},
		{"empty", "", cpu{}, false},
	} {
		if got, ok := readCPU(files("proc/stat", tt.text)); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %+v, %v", tt.name, got, ok)
		}
	}
}

func TestReadMemory(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       memory
		ok         bool
	}{
		{"now", "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\nCached: 9 kB\n", memory{1000 << 10, 600 << 10}, true},
		{"before 3.14", "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 30 kB\n", memory{1000 << 10, 150 << 10}, true},
		{"more than all", "MemTotal: 10 kB\nMemAvailable: 11 kB\n", memory{10 << 10, 11 << 10}, false},
		{"negative", "MemTotal: -5 kB\n", memory{}, false},
		{"empty", "", memory{}, false},
	} {
		if got, ok := readMemory(files("proc/meminfo", tt.text)); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %+v, %v", tt.name, got, ok)
		}
	}
}

func TestReadNetwork(t *testing.T) {
	const head = "Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
	for _, tt := range []struct {
		name, text string
		want       network
		ok         bool
	}{
		{"two and lo", head + "    lo: 7 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n  eth0: 100 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0\nwwan0:5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n", network{105, 16}, true},
		{"lo alone", head + "lo: 7 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n", network{}, true},
		{"head alone", head, network{}, false},
		{"cut off", head + "eth0: 1 2 3", network{}, false},
	} {
		if got, ok := readNetwork(files("proc/net/dev", tt.text)); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %+v, %v", tt.name, got, ok)
		}
	}
}

func TestReadTemperature(t *testing.T) {
	zone := func(name string) string { return "sys/class/thermal/" + name + "/temp" }
	coolers := fstest.MapFS{zone("thermal_zone0"): {Data: []byte("44000")}}
	for i := range maxZones {
		coolers[zone("cooling_device"+strconv.Itoa(i))] = &fstest.MapFile{Data: []byte("99000")}
	}
	for _, tt := range []struct {
		name string
		fs   fs.FS
		want float64
		ok   bool
	}{
		{"hottest", files(zone("thermal_zone0"), "41000\n", zone("thermal_zone1"), "52500\n", zone("cooling_device0"), "99000\n"), 52.5, true},
		{"frost", files(zone("thermal_zone0"), "-20000\n"), -20, true},
		{"no sensor", files(zone("thermal_zone0"), "-274000\n", zone("thermal_zone1"), "N/A"), 0, false},
		{"limits", files(zone("thermal_zone0"), "300000", zone("thermal_zone1"), "300001"), 300, true},
		{"a zone that went", files(zone("thermal_zone2"), "37000"), 37, true},
		{"last zone that is looked at", files(zone("thermal_zone62"), "1000", zone("thermal_zone63"), "2000", zone("thermal_zone64"), "3000"), 2, true},
		{"more cooling devices than zones are looked at", coolers, 44, true},
		{"none", fstest.MapFS{}, 0, false},
	} {
		if got, ok := readTemperature(tt.fs); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %v, %v", tt.name, got, ok)
		}
	}
}

// endless is a file that never ends, or fails.
type endless struct{ err error }

func (e endless) Open(string) (fs.File, error) { return e, nil }
func (endless) Stat() (fs.FileInfo, error)     { return nil, errors.ErrUnsupported }
func (endless) Close() error                   { return nil }
func (e endless) Read(p []byte) (int, error) {
	copy(p, strings.Repeat("1", len(p)))
	return len(p), e.err
}

func TestReadIsBounded(t *testing.T) {
	if n := len(read(endless{}, "x")); n != maxFile {
		t.Errorf("read %d bytes, want %d", n, maxFile)
	}
	if n := len(read(endless{io.ErrUnexpectedEOF}, "x")); n != 0 {
		t.Errorf("read %d bytes of a broken file", n)
	}
	if _, ok := readCPU(endless{}); ok {
		t.Error("one endless line is no statistics")
	}
}
