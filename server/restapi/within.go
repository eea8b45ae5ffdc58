package restapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"time"

	"mooring/internal/smartrest/legacy"
	"mooring/server/httpauth"
)

// Bounds of a call from within; ours.
const (
	withinTime     = 30 * time.Second
	maxWithinBytes = 4 << 20 // of the answer
)

// withinKey marks the context of calls from within.
type withinKey struct{}

// within makes a call of this API in the name of a client, with its rights and no
// others.
func (a *API) within(ctx context.Context, client LegacyClient, todo legacy.Call) (status int, body []byte) {
	ctx, cancel := context.WithTimeout(context.WithValue(httpauth.WithPrincipal(ctx, client.Principal), withinKey{}, true), withinTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, todo.Method, "https://"+client.Host+todo.URI, strings.NewReader(todo.Body))
	if err != nil {
		return http.StatusBadRequest, nil
	}
	r.TLS, r.RemoteAddr = &tls.ConnectionState{ServerName: client.Host}, client.Address
	if todo.ContentType != "" {
		r.Header.Set("Content-Type", todo.ContentType)
	}
	if todo.Accept != "" {
		r.Header.Set("Accept", todo.Accept)
	}
	w := &keptAnswer{header: http.Header{}, status: http.StatusOK}
	w.serve(a, r)
	return w.status, w.body.Bytes()
}

// keptAnswer keeps an answer instead of sending it.
type keptAnswer struct {
	header http.Header
	status int
	began  bool
	body   bytes.Buffer
}

func (w *keptAnswer) Header() http.Header { return w.header }

func (w *keptAnswer) WriteHeader(status int) {
	if !w.began && status >= http.StatusOK {
		w.began, w.status = true, status
	}
}

func (w *keptAnswer) Write(b []byte) (int, error) {
	w.began = true
	if w.status == http.StatusRequestEntityTooLarge || w.body.Len()+len(b) > maxWithinBytes {
		w.fail(http.StatusRequestEntityTooLarge)
		return 0, errors.New("the answer is too large")
	}
	return w.body.Write(b)
}

func (w *keptAnswer) fail(status int) {
	w.status = status
	w.body.Reset()
}

// serve lets the API answer. A handler that gives up in the middle of its answer
// has failed.
func (w *keptAnswer) serve(a *API, r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler {
				panic(v) // a fault of the API's own frame, as ServeHTTP takes those of handlers
			}
			w.fail(http.StatusInternalServerError)
		}
	}()
	a.ServeHTTP(w, r)
}
