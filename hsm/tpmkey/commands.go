package tpmkey

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// errSilent says that a command had no answer in time.
var errSilent = errors.New("no answer in time")

// commands sends with a time limit for each command, and sends those again that
// the TPM was too busy for.
type commands struct {
	ctx   context.Context
	tpm   transport.TPM
	limit time.Duration
	stuck bool
	begun []tpm2.TPMHandle // sessions
}

// endSessions ends the sessions that were begun. One that was used is ended
// already; one whose command or answer got lost would stay, and without a resource
// manager there is room for three.
func (c *commands) endSessions() {
	for _, session := range c.begun {
		if c.stuck {
			return
		}
		_, _ = tpm2.FlushContext{FlushHandle: session}.Execute(c)
	}
}

// Send implements transport.TPM.
func (c *commands) Send(command []byte) ([]byte, error) {
	if c.stuck {
		return nil, errSilent
	}
	timer := time.NewTimer(c.limit)
	defer timer.Stop()
	for {
		type answer struct {
			bytes []byte
			err   error
		}
		done := make(chan answer, 1)
		go func() {
			b, err := c.tpm.Send(command)
			done <- answer{b, err}
		}()
		select {
		case a := <-done:
			if a.err != nil {
				return nil, &brokenError{a.err}
			}
			if !busy(a.bytes) {
				c.note(command, a.bytes)
				return a.bytes, nil
			}
		case <-timer.C:
			c.stuck = true
			return nil, errSilent
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-pause.C:
		case <-timer.C:
			pause.Stop()
			return nil, fmt.Errorf("the TPM stayed busy: %w", errSilent)
		case <-c.ctx.Done():
			pause.Stop()
			return nil, c.ctx.Err()
		}
	}
}

// note remembers a session that began: its handle follows the header of the
// answer.
func (c *commands) note(command, answer []byte) {
	const header = 10
	if len(command) < header || len(answer) < header+4 || tpm2.TPMCC(binary.BigEndian.Uint32(command[6:])) != tpm2.TPMCCStartAuthSession ||
		binary.BigEndian.Uint32(answer[6:]) != uint32(tpm2.TPMRCSuccess) {
		return
	}
	c.begun = append(c.begun, tpm2.TPMHandle(binary.BigEndian.Uint32(answer[header:])))
}

// brokenError says that a command or its answer did not get through.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// busy reports an answer that asks to send the same bytes again: the command was
// not carried out and its session did not move on (TPM 2.0 Part 1 §17.9).
func busy(answer []byte) bool {
	if len(answer) < 10 {
		return false
	}
	switch tpm2.TPMRC(binary.BigEndian.Uint32(answer[6:10])) {
	case tpm2.TPMRCRetry, tpm2.TPMRCYielded, tpm2.TPMRCTesting:
		return true
	}
	return false
}
