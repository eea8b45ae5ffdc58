package uplink

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"mooring/agent/spool"
	"mooring/internal/problem"
	"mooring/internal/smartrest"
)

const (
	// maxPublish is the platform's limit for a whole PUBLISH (contract mqtt.md
	// §1.9): 1 byte of type, up to 3 of length, the topic with 2 bytes of length, 2
	// of packet ID, and the payload.
	maxPublish      = 16184
	publishOverhead = 1 + 3 + 2 + 2
	// maxTopic is ours; no topic of the platform comes near it.
	maxTopic = 512
	// maxPayload bounds what is split into messages; ours.
	maxPayload = 128 << 10
)

// Publish takes a message over: when it returns, quality of service 1 is on the
// disk and will be delivered, in order, at least once, over reconnects, restarts
// and power cuts, unless the spool has to drop it. Quality of service 0 may be
// lost with the power.
//
// SmartREST lines that are too long for one packet are split at line ends; lines
// that wait for more than 2 seconds get the time at which they were published.
// The number is that of the last message, for Delivered.
//
// Errors: problem.Invalid for what is no topic, problem.TooLarge, spool.ErrFull,
// and those of the file system.
func (u *Uplink) Publish(topic string, payload []byte, qos byte) (uint64, error) {
	if !validTopic(topic) || qos > 1 {
		return 0, problem.New(problem.Invalid, "not a topic to publish to with quality of service 0 or 1", nil)
	}
	if len(payload) > maxPayload {
		return 0, problem.New(problem.TooLarge, "the payload is longer than 128 KiB", nil)
	}
	room := maxPublish - publishOverhead - len(topic)
	parts, ok := [][]byte{payload}, len(payload) <= room
	if !ok && smartrest.IsLines(topic) {
		parts, ok = smartrest.Split(payload, room)
	}
	if !ok {
		return 0, problem.New(problem.TooLarge, "the message is longer than 16184 bytes with its header", nil)
	}
	var last uint64
	for _, part := range parts {
		var err error
		if last, err = u.cfg.Spool.Put(spool.Message{Topic: topic, Payload: part, QoS: qos}); err != nil {
			return 0, err
		}
	}
	return last, nil
}

// Delivered waits until the server has acknowledged message number seq and all
// before it.
//
// Errors: spool.ErrDropped, and problem.Unavailable when ctx ends, which changes
// nothing: the message stays where it is.
func (u *Uplink) Delivered(ctx context.Context, seq uint64) error {
	err := u.cfg.Spool.Wait(ctx, seq)
	if err != nil && !errors.Is(err, spool.ErrDropped) {
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil // the text says it
		}
		return problem.New(problem.Unavailable, "the server has not acknowledged the message in time; it is kept and will be sent", err)
	}
	return err
}

func validTopic(topic string) bool {
	return topic != "" && len(topic) <= maxTopic && utf8.ValidString(topic) && !strings.ContainsAny(topic, "+#\x00")
}
