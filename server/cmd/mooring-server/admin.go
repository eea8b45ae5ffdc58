package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"mooring/server"
	"mooring/server/config"
)

// admin speaks REST to the server of a data directory through its admin
// socket, which only the directory's owner can open.
type admin struct {
	client *http.Client
	tenant string
	close  func()
}

// adminFlags are the flags every administrative command has.
type adminFlags struct{ data, tenant *string }

func newAdminFlags(fs *flag.FlagSet) adminFlags {
	return adminFlags{
		data:   fs.String("data", "", "data directory `DIR` of the server"),
		tenant: fs.String("tenant", "", "tenant `ID`; may be left out when there is one"),
	}
}

// open connects to the running server, or opens the directory in this process
// while nobody serves it.
func (f adminFlags) open(ctx context.Context) (*admin, error) {
	if *f.data == "" {
		return nil, usageError{errors.New("no data directory: give --data DIR")}
	}
	socket := server.AdminSocket(*f.data)
	a := &admin{tenant: *f.tenant, close: func() {}}
	a.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	conn, err := net.Dial("unix", socket)
	if err == nil {
		return a, conn.Close()
	}
	cfg := config.Default()
	cfg.Data = *f.data
	srv, err := server.New(ctx, cfg, server.Options{Existing: true})
	if err != nil {
		return nil, hinted{fmt.Errorf("open %s: %w", filepath.Clean(*f.data), err),
			"start it with: mooring-server serve --data " + *f.data}
	}
	runCtx, stop := context.WithCancel(ctx)
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- srv.RunAdmin(runCtx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		stop()
		return nil, err
	}
	a.close = func() { stop(); <-done }
	return a, nil
}

// maxAnswer bounds what an administrative command reads.
const maxAnswer = 64 << 20

// call sends body (nil: none; io.Reader: as it is; else as JSON) and decodes
// the answer into out unless that is nil.
func (a *admin) call(ctx context.Context, method, path, contentType string, body, out any) error {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case io.Reader:
		reader = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return err
		}
		reader, contentType = bytes.NewReader(text), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://admin.socket"+path, reader)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if a.tenant != "" {
		req.Header.Set(server.TenantHeader, a.tenant)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return &answerError{res.StatusCode, text}
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, out)
}

// answerError is a refusal of the server, told in its own words.
type answerError struct {
	status int
	body   []byte
}

func (e *answerError) Error() string {
	var said struct{ Message string }
	if json.Unmarshal(e.body, &said) == nil && said.Message != "" {
		return said.Message
	}
	return fmt.Sprintf("the server answered %d: %s", e.status, strings.TrimSpace(string(e.body)))
}

// tenantID asks whose data this is.
func (a *admin) tenantID(ctx context.Context) (string, error) {
	var current struct{ Name string }
	err := a.call(ctx, http.MethodGet, "/tenant/currentTenant", "", nil, &current)
	return current.Name, err
}
