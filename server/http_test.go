package server_test

import (
	"net/http"
	"testing"

	"mooring/server/servertest"
)

// External IDs with encoded slashes reach the API as they were sent: nothing in
// front of it cleans the path.
func TestPathsAreNotCleaned(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	var object struct{ ID string }
	s.Call(http.MethodPost, "/inventory/managedObjects", map[string]any{"name": "x"}, &object)
	for _, name := range []string{"a/b", "a//b", "../x", "."} {
		s.Call(http.MethodPost, "/identity/globalIds/"+object.ID+"/externalIds", map[string]string{"type": "t", "externalId": name}, nil)
	}
	for escaped, want := range map[string]string{"a%2Fb": "a/b", "a%2F%2Fb": "a//b", "..%2Fx": "../x", "%2E": "."} {
		var got struct{ ExternalID string }
		s.Call(http.MethodGet, "/identity/externalIds/t/"+escaped, nil, &got)
		if got.ExternalID != want {
			t.Errorf("%s: got %q, want %q", escaped, got.ExternalID, want)
		}
	}
	s.Call(http.MethodGet, "/tenant/currentTenant/", nil, nil) // a trailing slash is tolerated
}
