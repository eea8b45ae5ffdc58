package servertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
)

// Call does what an operator does over REST: it sends in as JSON, if any, and
// decodes the answer into out, if any. A refusal ends the test.
func (s *Server) Call(method, path string, in, out any) {
	s.tb.Helper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			s.tb.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	s.send(method, path, "application/json", body, out)
}

func (s *Server) send(method, path, contentType string, body io.Reader, out any) {
	s.tb.Helper()
	req, err := http.NewRequestWithContext(s.tb.Context(), method, "https://"+HTTPS+path, body)
	if err != nil {
		s.tb.Fatal(err)
	}
	req.SetBasicAuth(Tenant+"/"+AdminUser, AdminPassword)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	client := s.HTTPClient(s.TLSConfig())
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		s.tb.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.tb.Fatal(err)
	}
	if res.StatusCode >= 300 {
		s.tb.Fatalf("%s %s: %s: %s", method, path, res.Status, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			s.tb.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
}

// Register lets a device enrol once with the one-time password.
func (s *Server) Register(externalID, otp string) {
	s.tb.Helper()
	s.RegisterCSV(fmt.Sprintf("ID;AUTH_TYPE;ENROLLMENT_OTP\n%s;CERTIFICATES;%s\n", externalID, otp))
}

// RegisterCSV registers devices in bulk; each must be accepted.
func (s *Server) RegisterCSV(csv string) {
	s.tb.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", "devices.csv")
	if err != nil {
		s.tb.Fatal(err)
	}
	if _, err := io.WriteString(part, csv); err != nil {
		s.tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		s.tb.Fatal(err)
	}
	var result struct{ NumberOfAll, NumberOfSuccessful int }
	s.send(http.MethodPost, "/devicecontrol/bulkNewDeviceRequests", w.FormDataContentType(), &body, &result)
	if result.NumberOfSuccessful == 0 || result.NumberOfSuccessful != result.NumberOfAll {
		s.tb.Fatalf("register %q: %+v", csv, result)
	}
}

// Revoke puts a serial (hexadecimal) on the tenant's list and switches the
// check on.
func (s *Server) Revoke(serial string) {
	s.tb.Helper()
	s.Call(http.MethodPut, "/tenant/trusted-certificates/settings/crl",
		map[string]any{"crls": []map[string]string{{"serialNumberInHex": serial}}}, nil)
	s.Call(http.MethodPut, "/tenant/options/configuration/crl.offline.check.enabled", map[string]string{"value": "true"}, nil)
}

// Provisioned lists the serials of the certificates a device has connected
// with, newest first.
func (s *Server) Provisioned(externalID string) []string {
	s.tb.Helper()
	var user struct {
		ProvisionedCertificates []struct{ SerialNumber string }
	}
	s.Call(http.MethodGet, "/user/"+Tenant+"/users/"+url.PathEscape("device_"+externalID)+"?withCertificates=true", nil, &user)
	var serials []string
	for _, c := range user.ProvisionedCertificates {
		serials = append(serials, c.SerialNumber)
	}
	return serials
}

// Count returns how many elements a REST list has.
func (s *Server) Count(path string) int {
	s.tb.Helper()
	var list struct{ Statistics struct{ TotalElements int } }
	s.Call(http.MethodGet, path, nil, &list)
	return list.Statistics.TotalElements
}
