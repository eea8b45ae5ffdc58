package localapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"mooring/internal/problem"
)

// A stream is one JSON object a line, until the caller hangs up.
const streamType = "application/x-ndjson"

// messages streams what the server sends on the topics of the query.
func (a *API) messages(w http.ResponseWriter, r *http.Request) error {
	topics := r.URL.Query()["topic"]
	if len(topics) == 0 {
		topics = []string{"s/ds"}
	}
	for _, t := range topics {
		if !a.policy.Subscribe.AllowFilter(t) {
			return problem.New(problem.Forbidden, "local.subscribe does not open this topic", nil)
		}
	}
	ctx, cancel := a.streaming(r)
	defer cancel()
	in := a.device.Messages(ctx, topics...)
	out := stream(w)
	for m := range in {
		if err := out(messageEvent{m.Topic, string(m.Payload)}); err != nil {
			cancel() // in closes
		}
	}
	return ctx.Err()
}

// messageEvent is one line of a stream of messages.
type messageEvent struct {
	Topic   string `json:"topic"`
	Payload string `json:"payload"`
}

// streaming is a context that ends with the caller, or with the API.
func (a *API) streaming(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(a.ending, cancel)
	return ctx, func() { stop(); cancel() }
}

// follow streams one view of the device as it is and as it becomes; nil is
// nothing to tell yet.
func (a *API) follow(w http.ResponseWriter, r *http.Request, view func(Snapshot) any) error {
	ctx, cancel := a.streaming(r)
	defer cancel()
	out := stream(w)
	var told []byte
	for {
		s, changed := a.device.Look()
		if v := view(s); v != nil {
			line, err := json.Marshal(v)
			if err == nil && !bytes.Equal(line, told) {
				told, err = line, out(v)
			}
			if err != nil {
				cancel()
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stream sends the header, and returns what sends a line.
func stream(w http.ResponseWriter) func(any) error {
	w.Header().Set("Content-Type", streamType)
	flush := w.(http.Flusher).Flush // localhttp's can
	flush()
	lines := json.NewEncoder(w)
	return func(v any) error {
		err := lines.Encode(v)
		flush()
		return err
	}
}
