//go:build !linux

package sockets

import (
	"net"
	"sync/atomic"
	"time"
)

// engine does not exist here.
type engine struct{}

// socket does not exist here: nothing is adopted.
type socket struct {
	rest    atomic.Pointer[struct{}]
	writeBy atomic.Int64
}

func (p *Poller) adopt(*net.TCPConn) *socket { return nil }

// Close ends the Poller.
func (p *Poller) Close() {}

func (*socket) read([]byte) (int, error)  { return 0, net.ErrClosed }
func (*socket) write([]byte) (int, error) { return 0, net.ErrClosed }
func (*socket) close() error              { return net.ErrClosed }
func (*socket) setReadDeadline(time.Time) {}
