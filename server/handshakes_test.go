package server_test

import (
	"context"
	"log/slog"
	"testing"
	"time"
)

// handshakes is a log that tells of each handshake that the server has refused
// and filed. The client knows earlier: TLS sends the alert before it returns.
type handshakes chan struct{}

// Enabled implements slog.Handler.
func (h handshakes) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h handshakes) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "handshake refused" {
		h <- struct{}{}
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h handshakes) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler.
func (h handshakes) WithGroup(string) slog.Handler { return h }

func (h handshakes) wait(t *testing.T) {
	t.Helper()
	select {
	case <-h:
	case <-time.After(answerWithin):
		t.Error("the server has filed no refused handshake")
	}
}
