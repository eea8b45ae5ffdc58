package uplink_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"mooring/agent/dial"
	"mooring/agent/uplink"
	"mooring/internal/problem"
)

func TestUnreached(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	tests := []struct {
		name       string
		in         error
		wantReason string // empty: it is not this side
		wantDetail string
	}{
		{"nobody listens", fmt.Errorf("post: %w", refused), "unreachable", "connection refused"},
		{"behind a kind", problem.New(problem.Unavailable, "the server cannot be reached", refused), "unreachable", "connection refused"},
		{"proxy", problem.New(problem.Unavailable, "the server cannot be reached", &dial.ProxyError{Proxy: "http://p:1", Fault: dial.Authentication, Status: 407}), "proxy", "http://p:1 wants other credentials (status 407)"},
		{"certificate", &tls.CertificateVerificationError{Err: errors.New("unknown authority")}, "server certificate", "unknown authority"},
		{"login page", problem.New(problem.Unavailable, "the server cannot be reached", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), "unreachable", "does not speak TLS"},
		{"alert of the server", &net.OpError{Op: "remote error", Err: tls.AlertError(46)}, "", ""},
		{"alert of an old server", &net.OpError{Op: "remote error", Err: errors.New("tls: protocol version not supported")}, "tls version", "neither TLS 1.2"},
		{"choice of an old server", errors.New("tls: server selected unsupported protocol version 301"), "tls version", "neither TLS 1.2"},
		{"answer of the server", problem.New(problem.Unavailable, "try again", nil), "", ""},
		{"nothing", nil, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reason, detail, ok := uplink.Unreached(tt.in)
			if ok != (tt.wantReason != "") || reason != tt.wantReason || !strings.Contains(detail, tt.wantDetail) {
				t.Errorf("got %q, %q, %v, want %q, %q", reason, detail, ok, tt.wantReason, tt.wantDetail)
			}
		})
	}
}
