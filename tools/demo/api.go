package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

// api is a REST client as any integrator would write it.
type api struct {
	base      string
	client    *http.Client
	roots     *x509.CertPool
	authorise func(*http.Request)
}

func newAPI(ready readyLine, password string) (*api, error) {
	pem, err := os.ReadFile(ready.Root)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + ready.Root)
	}
	return &api{
		base: "https://" + ready.HTTPS, roots: roots,
		client:    &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
		authorise: func(r *http.Request) { r.SetBasicAuth("t1000/admin", password) },
	}, nil
}

// as returns the same client with a bearer token.
func (a *api) as(token string) *api {
	b := *a
	b.authorise = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	return &b
}

// call sends in as JSON, if any, and decodes the answer into out, if any.
func (a *api) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return err
	}
	a.authorise(req)
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
