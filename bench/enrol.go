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

// How many clients enrol at once: a trickle, where each commit carries one or
// two enrolments, and a roll-out.
const enrolFewClients, enrolManyClients = 4, 20

const benchOTP = "Bench0neTimePassw0rd"

// benchEnrol measures simpleenroll on keep-alive connections, with one-time
// password, audit and durable store, against a bare loop of the same signing,
// which runs before and after.
func benchEnrol(ctx context.Context, s settings) (_ []figure, err error) {
	server, dir, err := startServer(ctx, s)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	defer func() { err = errors.Join(err, server.stop()) }()
	before, err := issueRate(ctx, dir)
	if err != nil {
		return nil, err
	}
	few, many, err := enrolRates(ctx, s, server)
	if err != nil {
		return nil, err
	}
	after, err := issueRate(ctx, dir)
	if err != nil {
		return nil, err
	}
	const what = "EST simpleenroll, keep-alive, OTP + audit + durable store, %d clients at once; yardstick: check CSR + sign"
	yard := (before + after) / 2
	return []figure{
		atLeast(fmt.Sprintf(what, enrolManyClients), many, yard, 0.55, "/CPU-s"),
		atLeast(fmt.Sprintf(what, enrolFewClients), few, yard, 0.55, "/CPU-s"),
	}, nil
}

// issueRate is what the bare loop does.
func issueRate(ctx context.Context, dir string) (float64, error) {
	bare, err := startYardstick(ctx, dir, "issue")
	if err != nil {
		return 0, err
	}
	rate, _ := bare.ready["rate"].(float64)
	return rate, bare.stop()
}

// enrolRates enrols a third of the devices with few clients and the rest with many.
func enrolRates(ctx context.Context, s settings, server *process) (few, many float64, err error) {
	api := newREST(server)
	if err := api.do(ctx, http.MethodPost, "/certificate-authority", "", nil); err != nil {
		return 0, 0, err
	}
	if err := api.register(ctx, s.enrolments, benchOTP); err != nil {
		return 0, 0, err
	}
	requests, err := makeRequests(s.enrolments)
	if err != nil {
		return 0, 0, err
	}
	cut := s.enrolments / 3
	few, err = server.rate(cut, server.profiled(ctx, s, "enrol-few", func() error {
		return api.enrolAll(ctx, requests, 0, cut, enrolFewClients)
	}))
	if err != nil {
		return 0, 0, err
	}
	many, err = server.rate(s.enrolments-cut, server.profiled(ctx, s, "enrol", func() error {
		return api.enrolAll(ctx, requests, cut, s.enrolments, enrolManyClients)
	}))
	return few, many, err
}

// enrolAll enrols devices first to end-1, so many clients at once.
func (r *rest) enrolAll(ctx context.Context, requests [][]byte, first, end, clients int) error {
	var group errgroup.Group
	for w := range clients {
		group.Go(func() error {
			for i := first + w; i < end; i += clients {
				if err := r.enrol(ctx, fmt.Sprintf("dev-%d", i), benchOTP, requests[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
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
