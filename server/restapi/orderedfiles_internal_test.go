package restapi

import "testing"

func TestNames(t *testing.T) {
	for body, want := range map[string]bool{
		`{"url":"https://h/inventory/binaries/12"}`:                              true,
		`{"url":"https://h/inventory/binaries/12#sha256=0"}`:                     true,
		`{"url":"https://h/inventory/binaries/123"}`:                             false,
		`["https://h/inventory/binaries/120","https://h/inventory/binaries/12"]`: true,
		`{"url":"https://h/inventory/binaries/1"}`:                               false,
		`{"url":"https://h/event/events/12/binaries"}`:                           false,
		`/inventory/binaries/12`:                                                 true,
	} {
		if got := names([]byte(body), []byte("/inventory/binaries/12")); got != want {
			t.Errorf("%s: got %v", body, got)
		}
	}
}
