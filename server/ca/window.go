package ca

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"time"

	"mooring/server/platform"
)

// Shape of the renewal window: it lies between a third and a sixth of a leaf's
// lifetime before its end, and each leaf has its own tenth of that time, so
// that devices that enrolled together do not come back together.
const (
	windowOpens  = 3  // divides the lifetime
	windowCloses = 6  // divides the lifetime
	windowParts  = 10 // divides the time between
)

// A device asks again when half the time up to its window has passed, within
// these bounds: seldom while it is far, in time if it were to move.
const (
	minAskAgain = time.Hour
	maxAskAgain = 14 * 24 * time.Hour
)

// Window is when a device should renew its leaf.
type Window struct {
	Start, End time.Time
	// AskAgain is how long the answer is good for.
	AskAgain time.Duration
}

// RenewalWindow tells when the leaf of a device should be renewed. It is the
// same whenever and wherever it is asked.
func RenewalWindow(tenant platform.TenantID, device string, leaf platform.CertificateFacts, now time.Time) Window {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	open, shut := leaf.NotAfter.Add(-life/windowOpens), leaf.NotAfter.Add(-life/windowCloses)
	width := shut.Sub(open) / windowParts
	h := sha256.New()
	for _, part := range []string{string(tenant), device, leaf.Serial} {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		h.Write(length[:])
		_, _ = io.WriteString(h, part) // a hash does not fail
	}
	room := uint64(max(shut.Sub(open)-width, 1))
	start := open.Add(time.Duration(binary.BigEndian.Uint64(h.Sum(nil)) % room)).Truncate(time.Second)
	return Window{
		Start: start, End: start.Add(width).Truncate(time.Second),
		AskAgain: min(max(start.Sub(now)/2, minAskAgain), maxAskAgain).Truncate(time.Second),
	}
}
