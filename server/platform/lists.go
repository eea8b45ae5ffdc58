package platform

import "time"

// ListKey names a revocation list that certificates point to.
type ListKey [16]byte

// ListEntry is where a certificate would appear if its issuer revoked it.
type ListEntry struct {
	List   ListKey
	Serial string // lower-case hex
}

// ListState is what a revocation list says of a certificate.
type ListState int

// The states.
const (
	ListUnknown ListState = iota // there is no valid list, or it does not cover the certificate
	ListGood
	ListRevoked
)

// ListAnswer is the answer about one certificate.
type ListAnswer struct {
	State  ListState
	Until  time.Time // when to ask again
	Detail string    // why it is unknown
}
