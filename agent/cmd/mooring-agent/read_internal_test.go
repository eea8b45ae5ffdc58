package main

import (
	"context"
	"io"
	"strings"
	"testing"
)

// typing is a terminal at which nobody has pressed Enter yet.
type typing struct{ reached chan struct{} }

func (r typing) Read([]byte) (int, error) {
	close(r.reached)
	select {}
}

// TestReadIsInterrupted: who presses Ctrl-C while a password is to be typed is not
// held up.
func TestReadIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	terminal := typing{make(chan struct{})}
	go func() {
		<-terminal.reached
		cancel()
	}()
	p := &program{ctx: ctx, stdin: terminal}
	if _, err := p.readLine("one-time password", "-"); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v", err)
	}
	p = &program{ctx: t.Context(), stdin: strings.NewReader("secret\r\n")}
	if got, err := p.readLine("one-time password", "-"); err != nil || got.Reveal() != "secret" {
		t.Errorf("got %v, %v", got, err)
	}
	p.stdin = io.MultiReader()
	if _, err := p.readLine("one-time password", "-"); err == nil {
		t.Error("no password was accepted")
	}
}
