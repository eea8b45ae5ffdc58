package crlcheck_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/server/platform"
)

// TestPrivateNetworks: no certificate leads into our own network.
func TestPrivateNetworks(t *testing.T) {
	a := newAuthority(t, signsLists)
	s := newSite(t, a.list(t, nil))
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1"} {
		got := newRig(false).ask(leaf(5, "http://"+host+port), a)
		if got.State != platform.ListUnknown {
			t.Errorf("%s: %+v", host, got)
		}
	}
	if n := s.count(); n != 0 {
		t.Errorf("the private site was asked %d times", n)
	}
}

// TestNoAnswer: a site that never answers costs a handshake a second at most,
// and the next ones nothing.
func TestNoAnswer(t *testing.T) {
	a := newAuthority(t, signsLists)
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	r := newRig(true)
	began := time.Now()
	if got := r.ask(leaf(5, s.URL), a); got.State != platform.ListUnknown || got.Detail == "" {
		t.Errorf("got %+v", got)
	}
	if took := time.Since(began); took < time.Second || took > 4*time.Second {
		t.Errorf("waited %v, want one second", took)
	}
}

// TestEndless: a site that sends without end is cut off.
func TestEndless(t *testing.T) {
	a := newAuthority(t, signsLists)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 64<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	r := newRig(true)
	for range 5 {
		if got := r.ask(leaf(5, s.URL), a); strings.Contains(got.Detail, "larger than") {
			return
		}
	}
	t.Error("the fetch was not cut off")
}

// TestManyLists: one tenant's certificates cannot make the server keep lists
// without end.
func TestManyLists(t *testing.T) {
	a := newAuthority(t, signsLists)
	s := newSite(t, a.list(t, nil, 7))
	r := newRig(true)
	entry := func(i int) (*x509.Certificate, platform.ListEntry) {
		c := leaf(7, fmt.Sprintf("%s/%d", s.URL, i))
		e, _ := r.Entry(tenant, c, a.cert)
		return c, e
	}
	ask := func(i int) {
		c, _ := entry(i)
		if got := r.ask(c, a); got.State != platform.ListRevoked {
			t.Fatalf("list %d: %+v", i, got)
		}
		r.pass(time.Millisecond)
	}
	for i := range 64 {
		ask(i)
	}
	if _, first := entry(0); !r.IsRevoked(first) {
		t.Error("the first of 64 is gone")
	}
	r.pass(time.Millisecond)
	if ask(64); func() bool { _, second := entry(1); return r.IsRevoked(second) }() {
		t.Error("65 lists are kept")
	}
	if _, first := entry(0); !r.IsRevoked(first) {
		t.Error("one that was asked for lately is gone")
	}
}

// TestRefresh fetches lists that nobody asks for, so that live sessions end.
func TestRefresh(t *testing.T) {
	a := newAuthority(t, signsLists)
	s := newSite(t, a.list(t, nil))
	r := newRig(true)
	r.ask(leaf(7, s.URL), a)
	entry, _ := r.Entry(tenant, leaf(7, s.URL), a.cert)
	s.set(http.StatusOK, a.list(t, func(l *x509.RevocationList) { l.NextUpdate = epoch.Add(100 * time.Hour) }, 7))
	r.pass(time.Hour)
	r.Refresh(r.clock())
	r.Settle()
	if !r.IsRevoked(entry) || r.changes() != 2 {
		t.Errorf("the new list does not count; %d changes", r.changes())
	}
	r.pass(31 * 24 * time.Hour)
	r.Refresh(r.clock())
	if r.IsRevoked(entry) {
		t.Error("a list that nobody asked for in a month is still there")
	}
}

// TestRunEnds: Run looks each minute and ends with its
// context, and then nothing is fetched any more.
func TestRunEnds(t *testing.T) {
	a := newAuthority(t, signsLists)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(false)
		ended := make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		go func() { r.Run(ctx); close(ended) }()
		time.Sleep(10 * time.Minute)
		stop()
		<-ended
		if got := r.ask(leaf(7, "http://127.0.0.1:1/"), a); got.State != platform.ListUnknown || got.Detail != "the list is being fetched" || len(r.records()) != 0 {
			t.Errorf("after the end: %+v, %v", got, r.records())
		}
	})
}
