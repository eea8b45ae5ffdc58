package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"golang.org/x/sync/errgroup"
)

// benchEnrol measures simpleenroll on keep-alive connections, with one-time
// password, audit and durable store, against a bare loop of the same signing.
func benchEnrol(ctx context.Context, s settings) (_ []figure, err error) {
	const otp = "Bench0neTimePassw0rd"
	server, dir, err := startServer(ctx, s)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	defer func() { err = errors.Join(err, server.stop()) }()
	api := newREST(server)
	if err := api.do(ctx, http.MethodPost, "/certificate-authority", "", nil); err != nil {
		return nil, err
	}
	if err := api.register(ctx, s.enrolments, otp); err != nil {
		return nil, err
	}
	requests, err := makeRequests(s.enrolments)
	if err != nil {
		return nil, err
	}
	rate, err := server.rate(s.enrolments, server.profiled(ctx, s, "enrol", func() error {
		var group errgroup.Group
		for w := range s.clients {
			group.Go(func() error {
				for i := w; i < s.enrolments; i += s.clients {
					if err := api.enrol(ctx, fmt.Sprintf("dev-%d", i), otp, requests[i]); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return group.Wait()
	}))
	if err != nil {
		return nil, err
	}
	bare, err := startYardstick(ctx, dir, "issue")
	if err != nil {
		return nil, err
	}
	yard, _ := bare.ready["rate"].(float64)
	return []figure{atLeast("EST simpleenroll, keep-alive, OTP + audit + durable store; yardstick: check CSR + sign",
		rate, yard, 0.55, "/CPU-s")}, bare.stop()
}

func makeRequests(n int) ([][]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	requests := make([][]byte, n)
	for i := range requests {
		template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: fmt.Sprintf("dev-%d", i)}}
		der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
		if err != nil {
			return nil, err
		}
		requests[i] = []byte(base64.StdEncoding.EncodeToString(der))
	}
	return requests, nil
}

func (r *rest) enrol(ctx context.Context, id, otp string, request []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+"/.well-known/est/simpleenroll", bytes.NewReader(request))
	if err != nil {
		return err
	}
	req.SetBasicAuth(id, otp)
	req.Header.Set("Content-Type", "application/pkcs10")
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("enrol %s: %s: %s", id, res.Status, text)
	}
	return err
}
