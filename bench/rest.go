package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
)

// rest is an administrator's client of the server under test. The server's
// certificate is not checked: both ends are ours.
type rest struct {
	base   string
	client *http.Client
}

func newREST(p *process) *rest {
	return &rest{"https://" + p.addr("https"), &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 2 * enrolManyClients}}}
}

func (r *rest) do(ctx context.Context, method, path, contentType string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, body)
	if err != nil {
		return err
	}
	req.SetBasicAuth("t1000/admin", adminPassword)
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, res.Status, text)
	}
	return err
}

// trust uploads a CA certificate whose devices register by themselves.
func (r *rest) trust(ctx context.Context, der []byte) error {
	body, err := json.Marshal(map[string]any{"name": "bench", "status": "ENABLED", "autoRegistrationEnabled": true,
		"certInPemFormat": base64.StdEncoding.EncodeToString(der)})
	if err != nil {
		return err
	}
	return r.do(ctx, http.MethodPost, "/tenant/tenants/t1000/trusted-certificates", "application/json", bytes.NewReader(body))
}

// rowsPerFile is how many devices one bulk file registers.
const rowsPerFile = 3000

// register registers n devices dev-0 … with the password otp.
func (r *rest) register(ctx context.Context, n int, otp string) error {
	for first := 0; first < n; first += rowsPerFile {
		if err := r.registerFile(ctx, first, min(n, first+rowsPerFile), otp); err != nil {
			return err
		}
	}
	return nil
}

func (r *rest) registerFile(ctx context.Context, first, end int, otp string) error {
	var csv strings.Builder
	csv.WriteString("ID;AUTH_TYPE;ENROLLMENT_OTP\n")
	for i := first; i < end; i++ {
		fmt.Fprintf(&csv, "dev-%d;CERTIFICATES;%s\n", i, otp)
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", "devices.csv")
	if err != nil {
		return err
	}
	_, _ = io.WriteString(part, csv.String()) // into a buffer
	if err := w.Close(); err != nil {
		return err
	}
	return r.do(ctx, http.MethodPost, "/devicecontrol/bulkNewDeviceRequests", w.FormDataContentType(), &body)
}
