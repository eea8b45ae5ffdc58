package server_test

import (
	"io"
	"net/http"
	"slices"
	"testing"

	"mooring/server/openapi/openapitest"
	"mooring/server/servertest"
)

// TestDescription is what the whole server says of itself, to anyone: that of
// the REST calls with the EST calls beside them.
func TestDescription(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	client := s.HTTPClient(s.TLSConfig())
	t.Cleanup(client.CloseIdleConnections)
	res, err := client.Get("https://" + servertest.HTTPS + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", res.Status, err)
	}
	about, err := openapitest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range about.Faults() {
		t.Error(fault)
	}
	for _, call := range []string{"POST /.well-known/est/simpleenroll", "GET /.well-known/est/{label}/cacerts", "POST /certificate-authority",
		"POST /devicecontrol/deviceAccessToken", "GET /crl/{file}"} {
		if !slices.Contains(about.Calls(), call) {
			t.Errorf("%s is not described", call)
		}
	}
}
