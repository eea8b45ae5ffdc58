package operation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"mooring/internal/bounded"
	"mooring/internal/durable"
	"mooring/internal/smartrest"
)

// Operations that change the device follow each other; what only looks does not
// wait for them.
const (
	laneChange = iota
	laneLook
	laneCount
)

// verb is one kind of operation.
type verb struct {
	lane int
	// limit bounds one try in this process. Downloads go on after it.
	limit time.Duration
	do    func(ctx context.Context, j *job) (values []string, err error)
}

// job is an operation that is being carried out.
type job struct {
	*entry
	m *Manager
}

// body reads what the operation says.
func (j *job) body(into any) error {
	if len(j.Body) == 0 {
		return nil
	}
	err := json.Unmarshal(j.Body, into)
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at := j.Fragment
		if kind.Field != "" {
			at += "." + kind.Field
		}
		return fmt.Errorf("the operation cannot be read: %s must not be of the kind %s", at, kind.Value)
	}
	if err != nil {
		return fmt.Errorf("the operation cannot be read: %w", err)
	}
	return nil
}

// keep notes what a restart must know.
func (j *job) keep(note any) error {
	text, err := json.Marshal(note)
	if err != nil {
		return err
	}
	if err := j.m.journal.change(j.entry, func(e *entry) { e.Note = text }); err != nil {
		return fmt.Errorf("the journal cannot be written: %w", err)
	}
	return nil
}

// kept reads the note back; false if there is none.
func (j *job) kept(into any) bool {
	return len(j.Note) > 0 && json.Unmarshal(j.Note, into) == nil
}

// dir is where files of the operation lie; it is removed at its end.
func (j *job) dir() string { return filepath.Join(j.m.cfg.Dir, j.Key) }

func (m *Manager) laneOf(e *entry) int {
	if v := m.verbs[e.Fragment]; v != nil {
		return v.lane
	}
	return laneLook
}

// work deals with the operations of a lane, one after the other.
func (m *Manager) work(ctx context.Context, lane <-chan *entry) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-lane:
			m.carryOut(ctx, e)
		}
	}
}

// carryOut takes an operation from where it is to its end. If ctx ends first it
// stays in the journal.
func (m *Manager) carryOut(ctx context.Context, e *entry) {
	if e.Phase == received || e.Phase == announcing {
		if !m.announce(ctx, e) {
			return
		}
	}
	if e.Phase == running {
		r, over := m.try(ctx, e)
		if !over {
			return
		}
		m.note(e, func(e *entry) { e.Phase, e.Result = ended, r })
	}
	if !m.tell(ctx, e, m.final(e)) {
		return
	}
	m.log.Info("operation ended", "id", m.journal.id(e), "operation", e.Fragment, "failed", e.Result.Failed)
	if err := m.journal.remove(e); err != nil {
		m.log.Warn("the journal cannot be written", "err", err)
	}
	if err := durable.RemoveAll(m.cfg.FS, filepath.Join(m.cfg.Dir, e.Key)); err != nil {
		m.log.Warn("files of an operation are left", "err", err)
	}
	m.askPending(ctx)
}

// stayedPending notes that an operation was not taken.
func (m *Manager) stayedPending() {
	m.overflow.Store(true)
	select {
	case m.again <- struct{}{}:
	default:
	}
}

// askPending asks for what was not taken, if there is any.
func (m *Manager) askPending(ctx context.Context) {
	if m.overflow.Swap(false) {
		_ = m.publish(ctx, []byte("500")) // fails when the agent stops, and its next start asks
	}
}

// askAgain asks for what was not taken even if no operation ends meanwhile.
func (m *Manager) askAgain(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.again:
			sleep(ctx, pendingRetry)
			m.askPending(ctx)
		}
	}
}

// note changes an entry; a disk that refuses is told about and nothing more: the
// worst that can come of it is that a restart does something again that bears it.
func (m *Manager) note(e *entry, edit func(*entry)) {
	if err := m.journal.change(e, edit); err != nil {
		m.log.Warn("the journal cannot be written", "err", err)
	}
}

// announce says that the operation is executing.
//
// A line without ID whose announcement was interrupted cannot be announced
// again: that would move another operation of its kind. It is given up, which
// fails it if it was executing and does nothing otherwise; then it comes again.
func (m *Manager) announce(ctx context.Context, e *entry) bool {
	id := m.journal.id(e)
	if e.Phase == announcing && id == "" && e.Sent == 0 {
		m.note(e, func(e *entry) {
			e.Phase, e.Result = ended, &result{Failed: "the agent was interrupted before it began"}
		})
		return true
	}
	if e.Phase == received && m.journal.change(e, func(e *entry) { e.Phase = announcing }) != nil {
		m.log.Warn("the operation stays pending: the journal cannot be written", "id", id)
		m.journal.drop(e)
		m.stayedPending()
		return false
	}
	line := smartrest.AppendLine(nil, "501", e.Fragment)
	if id != "" {
		line = smartrest.AppendLine(nil, "504", id)
	}
	if !m.tell(ctx, e, line) {
		return false
	}
	m.note(e, func(e *entry) { e.Phase, e.Sent = running, 0 })
	return true
}

// tell sends a line about an operation and waits until the server has it. It is
// sent again only if it never was on disk, or was dropped from there.
//
// The number of a message from before a restart is believed for a while only:
// the queue it was in may be gone.
func (m *Manager) tell(ctx context.Context, e *entry, line []byte) bool {
	old := e.Sent != 0
	for ctx.Err() == nil {
		if e.Sent == 0 {
			number, err := m.cfg.Uplink.Publish(m.topic(e.Target), line)
			if err != nil {
				m.log.Warn("not published", "id", m.journal.id(e), "err", err)
				sleep(ctx, publishRetry)
				continue
			}
			m.note(e, func(e *entry) { e.Sent = number })
		}
		waiting, cancel := ctx, context.CancelFunc(func() {})
		if old {
			waiting, cancel = context.WithTimeout(ctx, oldMessage)
		}
		err := m.cfg.Uplink.Delivered(waiting, e.Sent)
		cancel()
		if err == nil {
			return true
		}
		old = false
		if ctx.Err() == nil {
			m.log.Warn("not delivered", "id", m.journal.id(e), "err", err)
			m.note(e, func(e *entry) { e.Sent = 0 })
			sleep(ctx, publishRetry)
		}
	}
	return false
}

// try carries the operation out. over is false if the agent stops meanwhile.
func (m *Manager) try(ctx context.Context, e *entry) (r *result, over bool) {
	if e.Refusal != "" {
		return &result{Failed: e.Refusal}, true
	}
	v := m.verbs[e.Fragment]
	switch {
	case v == nil:
		return &result{Failed: "this device does not carry out " + e.Fragment}, true
	case e.Target != m.cfg.DeviceID:
		return &result{Failed: "this agent acts for no other device than " + m.cfg.DeviceID}, true
	}
	limited, cancel := context.WithTimeout(ctx, v.limit)
	defer cancel()
	values, err := v.do(limited, &job{e, m})
	switch {
	case ctx.Err() != nil:
		return nil, false
	case limited.Err() != nil && errors.Is(err, context.DeadlineExceeded):
		return &result{Failed: fmt.Sprintf("not done within %v", v.limit), Values: values}, true
	case err != nil:
		return &result{Failed: err.Error(), Values: values}, true
	}
	return &result{Values: values}, true
}

const (
	// maxReason bounds a reason in bytes, as thin-edge.io does.
	maxReason = 500
	// maxLine leaves room for the header in a message of 16,184 bytes (contract
	// mqtt.md §1.9).
	maxLine = 15000
)

// final is the line that ends an operation.
func (m *Manager) final(e *entry) []byte {
	id := m.journal.id(e)
	fields := []string{"503", e.Fragment}
	if id != "" {
		fields = []string{"506", id}
	}
	if e.Result.Failed != "" {
		fields[0] = map[bool]string{true: "505", false: "502"}[id != ""]
		return smartrest.AppendLine(nil, append(fields, bounded.Text(clean(e.Result.Failed), maxReason))...)
	}
	for _, v := range e.Result.Values {
		fields = append(fields, clean(v))
	}
	for {
		line := smartrest.AppendLine(nil, fields...)
		if len(line) <= maxLine {
			return line
		}
		last := &fields[len(fields)-1]
		*last = bounded.Text(*last, len(*last)*3/4)
	}
}

// clean makes text of what may be none.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

const (
	topicUp = "s/us"
	// publishRetry is between two tries to publish, each of which waits for a
	// connection by itself.
	publishRetry = 10 * time.Second
	// pendingRetry is when operations that were not taken are asked for again.
	pendingRetry = 5 * time.Minute
	// oldMessage is how long a message from before a restart is waited for.
	oldMessage = 15 * time.Minute
)

// topic is where lines about a device go.
func (m *Manager) topic(target string) string {
	if target == m.cfg.DeviceID {
		return topicUp
	}
	return topicUp + "/" + target
}

// publish sends a line for this device and returns when the server has it.
func (m *Manager) publish(ctx context.Context, line []byte) error {
	for {
		number, err := m.cfg.Uplink.Publish(topicUp, line)
		if err == nil {
			err = m.cfg.Uplink.Delivered(ctx, number)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		m.log.Warn("not published", "err", err)
		sleep(ctx, publishRetry)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// giveUp fails what the server still believes to be executing, after the
// journal was lost: nobody knows how far it is.
func (m *Manager) giveUp(ctx context.Context) {
	for name := range m.verbs {
		line := smartrest.AppendLine(nil, "507", name, "the device lost its notes about it")
		if m.publish(ctx, line) != nil {
			return
		}
	}
}
