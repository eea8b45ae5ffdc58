package tpmkey_test

import (
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"mooring/hsm/tpmkey/swtpmtest"
)

// faults stands between a store and its TPM and spoils commands.
type faults struct {
	path string
	tpm  *swtpmtest.TPM

	mu   sync.Mutex
	next func(command []byte) (answer []byte, pass bool) // nil: pass
	seen map[tpm2.TPMCC]int                              // commands that got through
	wg   sync.WaitGroup
}

// newFaults starts a proxy that passes everything on.
func newFaults(t *testing.T) *faults {
	t.Helper()
	tpm := swtpmtest.Start(t)
	f := &faults{path: filepath.Join(filepath.Dir(tpm.Socket), "faults"), tpm: tpm, seen: map[tpm2.TPMCC]int{}}
	listener, err := net.Listen("unix", f.path)
	if err != nil {
		t.Fatal(err)
	}
	f.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.wg.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		f.wg.Wait()
	})
	return f
}

// spoil sets what happens to commands from now on.
func (f *faults) spoil(next func(command []byte) (answer []byte, pass bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = next
}

// count says how many commands of a kind got through.
func (f *faults) count(code tpm2.TPMCC) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[code]
}

func (f *faults) serve(conn net.Conn) {
	defer conn.Close()
	for {
		command, err := readMessage(conn)
		if err != nil {
			return
		}
		f.mu.Lock()
		next := f.next
		f.mu.Unlock()
		if next != nil {
			if answer, pass := next(command); !pass {
				if answer == nil {
					return
				}
				if _, err := conn.Write(answer); err != nil {
					return
				}
				continue
			}
		}
		answer, err := f.forward(command)
		if err != nil {
			return
		}
		f.mu.Lock()
		f.seen[codeOf(command)]++
		f.mu.Unlock()
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

func (f *faults) forward(command []byte) ([]byte, error) {
	conn, err := net.Dial("unix", f.tpm.Socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write(command); err != nil {
		return nil, err
	}
	return readMessage(conn)
}

// readMessage reads a command or an answer: its length is in bytes 2 to 5.
func readMessage(r io.Reader) ([]byte, error) {
	message := make([]byte, 10, 4096)
	if _, err := io.ReadFull(r, message); err != nil {
		return nil, err
	}
	rest := make([]byte, int(binary.BigEndian.Uint32(message[2:]))-len(message))
	_, err := io.ReadFull(r, rest)
	return append(message, rest...), err
}

func codeOf(command []byte) tpm2.TPMCC { return tpm2.TPMCC(binary.BigEndian.Uint32(command[6:])) }

// code is an answer that is nothing but a response code.
func code(rc tpm2.TPMRC) []byte {
	return binary.BigEndian.AppendUint32([]byte{0x80, 0x01, 0, 0, 0, 10}, uint32(rc))
}

// first spoils the first n commands of a kind with an answer; nil hangs up.
func first(n int, of tpm2.TPMCC, answer []byte) func([]byte) ([]byte, bool) {
	var met atomic.Int64 // each connection asks from a goroutine of its own
	return func(command []byte) ([]byte, bool) {
		if codeOf(command) != of || met.Add(1) > int64(n) {
			return nil, true
		}
		return answer, false
	}
}
