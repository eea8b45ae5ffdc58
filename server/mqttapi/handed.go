package mqttapi

import (
	"sync"
	"time"

	"mooring/server/platform"
	"mooring/server/registration"
)

// Bounds of what is remembered; ours. The time is that in which a lost certificate
// may be fetched again (design decision 10).
const (
	handedFor = 10 * time.Minute
	maxHanded = 1000
)

// handedOut remembers passwords that were fetched and may not have arrived: they are
// given once, and a connection that breaks at that moment would leave the device
// without. Nothing of it outlives the process.
type handedOut struct {
	mu sync.Mutex
	m  map[hostDevice]handed
}

// hostDevice is how a device asks: by the name of the server and its own.
type hostDevice struct{ host, device string }

type handed struct {
	credentials registration.Credentials
	until       time.Time
}

// put remembers c. What is too old goes; with nothing too old and no room c is not
// remembered.
func (h *handedOut) put(k hostDevice, c registration.Credentials, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.m) >= maxHanded {
		for old, v := range h.m {
			if now.After(v.until) {
				delete(h.m, old)
			}
		}
	}
	if len(h.m) < maxHanded {
		if h.m == nil {
			h.m = map[hostDevice]handed{}
		}
		h.m[k] = handed{c, now.Add(handedFor)}
	}
}

// take returns what is remembered.
func (h *handedOut) take(k hostDevice, now time.Time) (registration.Credentials, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, ok := h.m[k]
	if ok && now.After(v.until) {
		delete(h.m, k)
		ok = false
	}
	return v.credentials, ok
}

func (h *handedOut) forget(k hostDevice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.m, k)
}

// credentialsMessage stands for the ID of an operation in the one message that a
// bootstrap session gets.
const credentialsMessage platform.ID = 1

// arrived hears which messages have reached the client for sure.
func (s *session) arrived(ids ...platform.ID) {
	if s.place.bootstrap {
		s.server.handed.forget(s.asks())
		return
	}
	s.server.cfg.Operations.Delivered(s.place.tenant, ids...)
}

func (s *session) asks() hostDevice { return hostDevice{s.conn.serverName(), s.place.device} }
