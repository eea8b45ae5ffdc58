package pkcs11key

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"mooring/hsm/pkcs11key/wire"
)

var (
	// errSilent: no answer in time. The helper was killed.
	errSilent = errors.New("the PKCS#11 helper was silent for too long and was stopped")
	// errEnded: the helper is gone, crashed or not.
	errEnded = errors.New("the PKCS#11 helper ended")
)

const (
	helloLimit = 20 * time.Second
	endLimit   = 2 * time.Second
	maxTail    = 512 // bytes of standard error that are kept
)

// process is one helper that runs. One request is under way at a time.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan wire.Response
	ended   chan struct{} // closed when the output has ended
	stderr  *tail
	last    uint64
}

// start runs the helper at path and greets it.
func start(path string) (*process, error) {
	cmd := exec.Command(path)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, in: in, answers: make(chan wire.Response), ended: make(chan struct{}), stderr: &tail{}}
	cmd.Stderr = p.stderr
	cmd.WaitDelay = endLimit
	if err := cmd.Start(); err != nil {
		return nil, &Error{Kind: Refused, Text: "the PKCS#11 helper does not start", Hint: "install the package mooring-pkcs11 again", err: err}
	}
	go p.read(out)
	answer, err := p.call(context.Background(), helloLimit, wire.Request{Op: wire.OpHello, Version: wire.Version})
	if err != nil {
		p.kill()
		return nil, &Error{Kind: Refused, Text: "the PKCS#11 helper " + path + " does not work here", Hint: p.stderr.line(), err: err}
	}
	if answer.Version != wire.Version {
		p.kill()
		return nil, &Error{Kind: Refused, Text: fmt.Sprintf("the PKCS#11 helper %s speaks version %d of the protocol, not %d", path, answer.Version, wire.Version),
			Hint: "install mooring-pkcs11 and this program from the same release"}
	}
	return p, nil
}

func (p *process) read(out io.Reader) {
	defer close(p.ended)
	for {
		var answer wire.Response
		if err := wire.Read(out, &answer); err != nil {
			return
		}
		p.answers <- answer
	}
}

// call asks and waits. After an error the process is of no use.
func (p *process) call(ctx context.Context, limit time.Duration, r wire.Request) (wire.Response, error) {
	p.last++
	r.ID = p.last
	timer := time.NewTimer(limit)
	defer timer.Stop()
	written := make(chan error, 1)
	go func() { written <- wire.Write(p.in, r) }()
	for {
		select {
		case err := <-written:
			if err != nil {
				return wire.Response{}, errors.Join(errEnded, err)
			}
			written = nil
		case answer := <-p.answers:
			if answer.ID != r.ID {
				return wire.Response{}, errEnded // it answers what nobody asked
			}
			return answer, nil
		case <-p.ended:
			return wire.Response{}, errEnded
		case <-timer.C:
			return wire.Response{}, errSilent
		case <-ctx.Done():
			return wire.Response{}, ctx.Err()
		}
	}
}

// kill ends the helper at once.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	p.reap()
}

// end lets the helper finish; what does not listen is killed.
func (p *process) end() {
	_ = p.in.Close()
	select {
	case <-p.ended:
	case <-time.After(endLimit):
		_ = p.cmd.Process.Kill()
	}
	p.reap()
}

func (p *process) reap() {
	go func() {
		for range p.answers {
		}
	}()
	// Wait closes the output, which a process that a module started may hold open.
	_ = p.cmd.Wait()
	<-p.ended
	close(p.answers)
}

// tail keeps the end of what a helper wrote to standard error.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if n := len(t.text); n > maxTail {
		t.text = bytes.Clone(t.text[n-maxTail:])
	}
	return len(b), nil
}

// line returns the first whole line, in printable characters. It is only for
// helpers that never opened a token: a module may print anything.
func (t *tail) line() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	line, _, _ := strings.Cut(strings.ToValidUTF8(string(t.text), "?"), "\n")
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return '?'
		}
		return r
	}, line)
}
