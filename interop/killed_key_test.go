package interop_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mooring/hsm/pkcs11key/p11test"
	"mooring/hsm/tpmkey/swtpmtest"
)

// stoppedChild is the child of a process that was stopped by a signal; 0: none.
func stoppedChild(parent int) int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, path := range stats {
		text, _ := os.ReadFile(path) // it may be over by now
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[0] == "T" && fields[1] == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path))) // by the pattern
			return pid
		}
	}
	return 0
}

// TestKilledWhileTokenMakesKey kills the agent, its PKCS#11 helper, or both, when
// the token has just made a key, or is about to. The next run leaves one key pair
// in the token, that of the device.
func TestKilledWhileTokenMakesKey(t *testing.T) {
	f := p11test.StartFaults(t)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	kills := 0
	for _, point := range []string{"stop-after", "stop"} {
		for _, victims := range []string{"agent", "helper", "agent and helper"} {
			for _, what := range []string{"selfsign", "enrol", "renew"} {
				if os.Getenv("ALL_CUTS") != "1" && point == "stop" && victims != "agent and helper" {
					continue
				}
				kills++
				t.Run(strings.Join([]string{what, point, victims}, "/"), func(t *testing.T) {
					d := tokenDevice(t, s, f.SoftHSM, fmt.Sprintf("killed-key-%d", kills))
					enrol := append(d.enrol(), "--key", f.URI(d.id, ""))
					args := enrol
					switch what {
					case "renew":
						d.run(t, enrol...).want(t, exitDone)
						args = []string{"renew"}
					case "selfsign":
						args = []string{"selfsign", "--server", "localhost", "--ca", s.rootFile(), "--id", d.id, "--key", f.URI(d.id, "")}
					}
					f.Spoil(t, "C_GenerateKeyPair 1 "+point)
					killInKey(t, d, victims, func() { f.Spoil(t) }, args...)
					o := d.run(t, args...)
					if o.status != exitDone && !strings.Contains(o.stderr, "is enrolled already") {
						t.Errorf("again: %s", o)
					}
					inToken(t, f.SoftHSM, d)
				})
			}
		}
	}
	t.Logf("%d kills", kills)
}

// killInKey runs the agent until its helper stops itself, and kills.
func killInKey(t *testing.T, d *device, victims string, calm func(), args ...string) {
	t.Helper()
	cmd := d.command(t.Context(), t, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	helper := 0
	eventually(t, "the helper makes a key", func() bool {
		helper = stoppedChild(cmd.Process.Pid)
		return helper != 0
	})
	calm()
	if victims != "helper" {
		_ = cmd.Process.Kill() // it waits for the helper
		_ = cmd.Wait()         // as above
	}
	signal := syscall.SIGKILL
	if victims == "agent" {
		signal = syscall.SIGCONT // it finds that nobody listens
	}
	if err := syscall.Kill(helper, signal); err != nil {
		t.Fatal(err)
	}
	if victims == "helper" {
		_ = cmd.Wait() // it may have mended it, or not
	}
	eventually(t, "the helper is over", func() bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", helper))
		return err != nil || strings.Contains(string(text), ") Z ")
	})
}

// tpmCreate is TPM2_Create (TPM 2.0 part 2, table 12).
const tpmCreate = 0x153

// tpmProxy stands before a TPM and calls created when that has made a key; what it
// returns says whether the answer goes on.
type tpmProxy struct {
	tpm     string
	created atomic.Pointer[func() bool]
}

func (p *tpmProxy) start(t *testing.T) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm") // paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // of this test alone
	socket = filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return socket
}

func (p *tpmProxy) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	tpm, err := net.Dial("unix", p.tpm)
	if err != nil {
		return
	}
	defer func() { _ = tpm.Close() }()
	for {
		command, err := tpmMessage(c)
		if err != nil {
			return
		}
		if _, err := tpm.Write(command); err != nil {
			return
		}
		answer, err := tpmMessage(tpm)
		if err != nil {
			return
		}
		if created := p.created.Load(); created != nil && binary.BigEndian.Uint32(command[6:]) == tpmCreate && !(*created)() {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// tpmMessage reads a command or an answer: tag, length of all, code, the rest.
func tpmMessage(r io.Reader) ([]byte, error) {
	header := make([]byte, 10)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(header[2:])
	if n < 10 || n > 1<<16 {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	message := append(header, make([]byte, n-10)...)
	_, err := io.ReadFull(r, message[10:])
	return message, err
}

// TestKilledWhileTPMMakesKey kills the agent when the TPM has made a key: before
// it hears of it, and at instants from there on, while it writes the files that
// name it. The next run leaves one key.
func TestKilledWhileTPMMakesKey(t *testing.T) {
	t.Parallel()
	p := &tpmProxy{tpm: swtpmtest.Start(t).Socket}
	uri := "tpm:" + p.start(t)
	instants := 12
	if os.Getenv("ALL_CUTS") == "1" {
		instants = 60
	}
	killed := 0
	for n := range instants {
		d := &device{id: "killed-tpm", state: filepath.Join(t.TempDir(), "state")}
		args := []string{"selfsign", "--server", "localhost", "--id", d.id, "--key", uri}
		cmd := d.command(t.Context(), t, args...)
		created := func() bool {
			if n == 0 {
				return cmd.Process.Kill() != nil
			}
			time.AfterFunc(time.Duration(n-1)*20*time.Millisecond/time.Duration(instants), func() { _ = cmd.Process.Kill() }) // it may be over
			return true
		}
		p.created.Store(&created)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() == exitKilled {
			killed++
		}
		p.created.Store(nil)
		d.run(t, args...).want(t, exitDone)
		d.wantKeys(t, "current")
		left, err := os.ReadDir(filepath.Join(d.state, "keys"))
		if err != nil || len(left) != 2 { // and the name of the storage root key
			t.Errorf("kill %d: %v, %v", n, left, err)
		}
		if left, err = os.ReadDir(filepath.Join(d.state, "generations")); err != nil || len(left) != 1 {
			t.Errorf("kill %d: %v, %v", n, left, err)
		}
	}
	if killed == 0 {
		t.Error("nobody was killed")
	}
	t.Logf("%d of %d were killed before they were done", killed, instants)
}
