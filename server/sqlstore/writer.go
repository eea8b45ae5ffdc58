package sqlstore

import (
	"context"
	"log/slog"
	"time"

	"mooring/server/platform"
)

// Bounds of one transaction (design §3a). What queued up during one commit is
// the next transaction; nothing waits for a timer.
const (
	maxBatchCommands = 2000
	maxBatchBytes    = 1 << 20
)

// writer is the one goroutine that writes to a database file. It drains its
// queue into one transaction at a time and answers after the commit.
type writer struct {
	d        *dialect
	open     func(context.Context) (conn, error)
	onCommit func([]platform.Change)
	log      *slog.Logger
	// optimistic runs a batch without savepoints first and repeats it with
	// savepoints if a command fails: right where commands hardly ever fail.
	optimistic bool
	// spacing is how far apart commits begin while several commands come with each:
	// then one commit does for many, and nobody waits longer. Zero: none.
	spacing time.Duration
	// patience is how long after a commit the next one waits for those whom the last
	// one answered, and who came meanwhile: who does one thing after the other is
	// back soon, and then all share a commit. Zero: it does not wait.
	patience time.Duration

	known   *knownSeries // of the telemetry
	queue   *queue
	stopped chan struct{}
	c       conn // used by the goroutine only; nil: to be opened
	failing bool // the last batch could not be written
}

func (w *writer) start() {
	w.stopped = make(chan struct{})
	go w.loop()
}

// do implements committer.
func (w *writer) do(ctx context.Context, run func(*session) error) error {
	answer := make(chan error, 1)
	w.submit(&command{ctx: ctx, run: run, done: func(err error) { answer <- err }})
	return <-answer
}

// submit queues c and returns.
func (w *writer) submit(c *command) {
	if err := w.queue.put(c); err != nil {
		c.done(err)
	}
}

// close carries out what is queued and ends the goroutine.
func (w *writer) close() error {
	w.queue.close()
	<-w.stopped
	if w.c == nil {
		return nil
	}
	return w.c.close()
}

func (w *writer) loop() {
	defer close(w.stopped)
	for {
		batch := w.queue.take(maxBatchCommands, maxBatchBytes)
		if len(batch) == 0 {
			return
		}
		begun := time.Now()
		w.commit(batch)
		if len(batch) >= busyCommands && len(batch) < manyCommands && w.spacing > 0 {
			w.rest(len(batch), begun)
		}
		if several := len(batch) + w.queue.len(); several > 1 && w.patience > 0 {
			w.queue.gather(min(several, manyCommands), w.patience)
		}
	}
}

// A commit of busyCommands or more shows that commands come from several sides, so
// that the next commit may wait for more of them; one of manyCommands is cheap for
// each already. Who sends one command after the other, each on the answer to the
// last, never waits.
const (
	busyCommands = 4
	manyCommands = 128
)

// rest waits until it is time for the next commit. When those whom the last one
// answered are back at once, they wait for the answer and not for the time: then
// waiting would only slow them down.
func (w *writer) rest(last int, begun time.Time) {
	if w.wait(w.spacing/5) && w.queue.len() < last*3/4 {
		w.wait(w.spacing - time.Since(begun))
	}
}

// wait reports whether the queue is still open after d.
func (w *writer) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.queue.closing:
		return false
	}
}

// commit carries out a batch and answers it.
func (w *writer) commit(batch []*command) {
	runnable := make([]*command, 0, len(batch))
	for _, c := range batch {
		if c.err == nil && c.ctx != nil {
			c.err = c.ctx.Err()
		}
		if c.err == nil {
			runnable = append(runnable, c)
		}
	}
	if len(runnable) > 0 {
		changes, err := w.attempt(runnable)
		w.report(err)
		for _, c := range runnable {
			if err != nil {
				c.err = err
			}
		}
		if err == nil && len(changes) > 0 {
			w.onCommit(changes)
		}
	}
	for _, c := range batch {
		c.done(c.err)
	}
}

// report logs the first of several failures and the recovery.
func (w *writer) report(err error) {
	switch {
	case err != nil && !w.failing:
		w.log.Error("store cannot write", "err", err)
	case err == nil && w.failing:
		w.log.Info("store writes again")
	}
	w.failing = err != nil
}

// attempt commits the batch as one transaction. An error means that nothing
// was written, or that nobody knows; the errors of single commands stand in
// them.
func (w *writer) attempt(batch []*command) ([]platform.Change, error) {
	for attempt := 1; ; attempt++ {
		if err := w.connect(); err != nil {
			return nil, err
		}
		t := transaction{session: session{ctx: context.Background(), c: w.c, d: w.d, known: w.known}}
		changes, err := t.carryOut(batch, w.optimistic)
		if err == nil || attempt == maxAttempts || !w.d.again(err) && !(w.c.broken() && !t.begun) {
			return changes, err
		}
	}
}

// connect makes sure of a connection that is not known to be broken.
func (w *writer) connect() error {
	if w.c != nil && w.c.broken() {
		_ = w.c.close()
		w.c = nil
	}
	if w.c != nil {
		return nil
	}
	c, err := w.open(context.Background())
	if err != nil {
		return unavailable(err)
	}
	w.c = c
	return nil
}
