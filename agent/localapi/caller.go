package localapi

import (
	"errors"
	"net"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

// Caller is the process at the other end of a UNIX socket, as the kernel knows
// it.
type Caller struct {
	UID, GID uint32
	PID      int32
	Groups   []uint32 // of the user, from the system's files
}

// peer is a connection of a caller.
type peer struct {
	*net.UnixConn
	caller Caller
	leave  func()
}

// Close is net.Conn's.
func (p *peer) Close() error {
	p.leave()
	return p.UnixConn.Close()
}

var errStranger = errors.New("the caller is not known")

// CallerOf tells who is at the other end of a connection that KnowUsers made.
func CallerOf(nc net.Conn) (Caller, error) {
	p, ok := nc.(*peer)
	if !ok {
		return Caller{}, errStranger
	}
	return p.caller, nil
}

// ask reads who connected.
func ask(nc *net.UnixConn) (Caller, error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return Caller{}, err
	}
	var c *syscall.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		c, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil || failed != nil {
		return Caller{}, errors.Join(err, failed)
	}
	return Caller{UID: c.Uid, GID: c.Gid, PID: c.Pid, Groups: groupsOf(c.Uid)}, nil
}

// groupsOf is best effort: a user without an entry has its own group only.
func groupsOf(uid uint32) (groups []uint32) {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return nil
	}
	names, err := u.GroupIds()
	if err != nil {
		return nil
	}
	for _, n := range names {
		if id, err := strconv.ParseUint(n, 10, 32); err == nil {
			groups = append(groups, uint32(id))
		}
	}
	return groups
}

// users is a listener that knows who connects, and lets one user have only so
// many connections.
type users struct {
	net.Listener
	mu   sync.Mutex
	open map[uint32]int
}

// KnowUsers makes the connections of a listener on a UNIX socket tell who is at
// their other end, and lets one user have 16 at once.
func KnowUsers(l net.Listener) net.Listener { return &users{Listener: l, open: make(map[uint32]int)} }

// Accept is net.Listener's. Whom it does not know or seat finds the connection
// closed.
func (u *users) Accept() (net.Conn, error) {
	for {
		nc, err := u.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c, ok := nc.(*net.UnixConn)
		if !ok {
			_ = nc.Close()
			return nil, errStranger
		}
		caller, err := ask(c)
		if err != nil || !u.enter(caller.UID) {
			_ = nc.Close()
			continue
		}
		return &peer{c, caller, sync.OnceFunc(func() { u.leave(caller.UID) })}, nil
	}
}

func (u *users) enter(uid uint32) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open[uid] >= connsOfUser {
		return false
	}
	u.open[uid]++
	return true
}

func (u *users) leave(uid uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open[uid]--; u.open[uid] == 0 {
		delete(u.open, uid)
	}
}
