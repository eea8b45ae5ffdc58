//go:build cgo && linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"mooring/hsm/pkcs11key/wire"
)

// work answers requests until the input ends.
func work(stdin io.Reader, stderr io.Writer) int {
	// A core dump would hold the PIN.
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	out, err := protocolOutput()
	if err != nil {
		fmt.Fprintln(stderr, "mooring-pkcs11: error:", err)
		return 1
	}
	requests := make(chan *wire.Request)
	go func() {
		for {
			r := &wire.Request{}
			if err := wire.Read(stdin, r); err != nil {
				// The program is gone. Whatever the module does now, even nothing for
				// ever, is of no use to anybody.
				os.Exit(endStatus(err))
			}
			requests <- r
		}
	}()
	h := &helper{}
	for r := range requests {
		if err := wire.Write(out, h.answer(r)); err != nil {
			return 1
		}
	}
	return 0
}

func endStatus(err error) int {
	if errors.Is(err, io.EOF) {
		return 0
	}
	return 1
}

// protocolOutput keeps standard output for the protocol and makes what modules
// print there go to standard error.
func protocolOutput() (*os.File, error) {
	fd, err := syscall.Dup(1)
	if err != nil {
		return nil, fmt.Errorf("keep standard output: %w", err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.Dup3(2, 1, 0); err != nil {
		return nil, fmt.Errorf("redirect standard output: %w", err)
	}
	return os.NewFile(uintptr(fd), "protocol"), nil
}

// helper holds the token that is open.
type helper struct {
	token *token // nil: none
}

func (h *helper) answer(r *wire.Request) (answer wire.Response) {
	defer func() {
		if p := recover(); p != nil {
			answer = wire.Response{Fault: &wire.Fault{Kind: wire.KindBroken, Text: fmt.Sprint(p)}}
		}
		answer.ID = r.ID
	}()
	err := h.do(r, &answer)
	if err != nil {
		answer = wire.Response{Fault: faultOf(err)}
	}
	return answer
}

func (h *helper) do(r *wire.Request, answer *wire.Response) (err error) {
	switch r.Op {
	case wire.OpHello:
		answer.Version = wire.Version
		return nil
	case wire.OpOpen:
		return h.open(r, answer)
	}
	if h.token == nil {
		return &wire.Fault{Code: wire.CryptokiNotInitialized, Text: "no token is open"}
	}
	t := h.token
	switch r.Op {
	case wire.OpSession:
		return t.newSessions()
	case wire.OpLogin:
		return t.newLogin(string(r.PIN), r.Spare)
	}
	if t.ctx == nil {
		return &wire.Fault{Code: wire.SessionClosed}
	}
	switch r.Op {
	case wire.OpList:
		answer.Refs, err = t.list(r)
	case wire.OpCreate:
		answer.Public, err = t.create(r)
	case wire.OpPublic:
		answer.Public, err = t.public(r.Ref)
	case wire.OpSign:
		answer.Data, err = t.sign(r)
	case wire.OpDestroy:
		err = t.destroy(r.Ref)
	case wire.OpSealer:
		answer.Data, err = t.sealer(r)
	case wire.OpWrap:
		answer.Data, err = t.useSealer(r, t.wrap)
	case wire.OpUnwrap:
		answer.Data, err = t.useSealer(r, t.unwrap)
	default:
		err = refused("an unknown request: " + fmt.Sprintf("%.40q", r.Op))
	}
	return err
}

func (h *helper) open(r *wire.Request, answer *wire.Response) error {
	if h.token != nil {
		t := h.token
		h.token = nil
		t.close()
	}
	if r.Target == nil {
		return refused("no token is named")
	}
	t, err := open(*r.Target, string(r.PIN), r.Spare)
	if err != nil {
		return err
	}
	h.token = t
	answer.Token = &t.info
	return nil
}

func refused(text string) error { return &wire.Fault{Kind: wire.KindRefused, Text: text} }
