package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// maxAlike is how many records with the same message are logged in alikeFor;
	// a server that floods the device must not fill its disk by the log.
	maxAlike = 100
	alikeFor = time.Minute
)

// dampened leaves out warnings and errors whose message came too often lately. The next one
// that is logged says in left_out how many there were.
type dampened struct {
	slog.Handler
	heard *heard
}

// heard counts records by their message, which is constant text of ours.
type heard struct {
	mu       sync.Mutex
	messages map[string]*alike
}

type alike struct {
	since          time.Time
	logged, missed int
}

func newDampened(h slog.Handler) dampened { return dampened{h, &heard{messages: map[string]*alike{}}} }

// Handle implements slog.Handler.
func (d dampened) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn { // who called the local API, among others
		return d.Handler.Handle(ctx, r)
	}
	missed, ok := d.heard.count(r)
	if !ok {
		return nil
	}
	if missed > 0 {
		r.AddAttrs(slog.Int("left_out", missed))
	}
	return d.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (d dampened) WithAttrs(attrs []slog.Attr) slog.Handler {
	return dampened{d.Handler.WithAttrs(attrs), d.heard}
}

// WithGroup implements slog.Handler.
func (d dampened) WithGroup(name string) slog.Handler {
	return dampened{d.Handler.WithGroup(name), d.heard}
}

// count reports whether r may be logged, and how many like it were not before.
func (h *heard) count(r slog.Record) (missed int, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.messages[r.Message]
	if a == nil {
		a = &alike{}
		h.messages[r.Message] = a
	}
	if age := r.Time.Sub(a.since); age < 0 || age >= alikeFor {
		missed = a.missed
		*a = alike{since: r.Time}
	}
	if a.logged == maxAlike {
		a.missed++
		return 0, false
	}
	a.logged++
	return missed, true
}
