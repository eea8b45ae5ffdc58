package lifecycle

import "time"

// EventKind says what happened.
type EventKind uint8

// The events. Those that answer an action name its Generation; an answer that
// nobody waits for changes nothing.
const (
	Booted         EventKind = iota // Current, Next and Highest as found in the store; sent first
	Tick                            // time has passed
	TimeTrust                       // Trusted
	OTPGiven                        // an enrolment OTP is at hand
	OTPEnded                        // it is no longer: its deadline passed
	RenewAsked                      // a person wants a new certificate now
	KeyCreated                      // answers CreateKey
	KeyFailed                       //
	Issued                          // answers RequestCertificate: Leaf
	Deferred                        // the server decides later: RetryAfter
	Refused                         // the server did not accept the authentication
	Failed                          // no answer, or one that means "later": RetryAfter if stated
	Stored                          // answers StoreCandidate
	StoreFailed                     //
	Committed                       // answers Commit
	CommitFailed                    //
	RolledBack                      // answers RollBack
	RollBackFailed                  //
	Destroyed                       // answers DestroyOld, whether everything could be removed or not
	Connected                       // Generation connected; Leaf.Fingerprint is what the server named
	ConnectRefused                  // the server refused Generation
	ConnectFailed                   // Generation did not get through
	Disconnected                    // Generation's connection ended
	WindowTold                      // the server named when to renew Generation's certificate: Window
	ChainFound                      // Generation's certificate has a newer chain
	events
)

// Event is one thing that happened. Which fields count depends on Kind.
type Event struct {
	Kind       EventKind
	Generation uint32
	Leaf       Leaf
	RetryAfter time.Duration
	Trusted    bool
	Window     Window // WindowTold; zero: the server has no wish

	Current, Next Generation // Booted
	Highest       uint32     // Booted
}

// Auth is how a request for a certificate is authenticated.
type Auth uint8

// The ways to authenticate.
const (
	OTP         Auth = iota // enrolment OTP: simpleenroll, RFC 7030 §4.2.1
	Token                   // device token: simplereenroll, §4.2.2
	Certificate             // TLS client certificate: simplereenroll
	Bootstrap               // the certificate from the factory, in the same way
	SecondOTP               // the enrolment OTP that waits on the device
	SameLeaf                // nobody is asked: the chain found for the current leaf
	auths
)

var authNames = [auths]string{"otp", "token", "certificate", "bootstrap-certificate", "stored-otp", "same-leaf"}

// String names the way for logs.
func (a Auth) String() string {
	if a >= auths {
		return "unknown"
	}
	return authNames[a]
}

// ActionKind says what is to be done.
type ActionKind uint8

// The actions. Each but ConnectWith and ScheduleAt is answered by an event.
const (
	CreateKey          ActionKind = iota // make Generation with a new key, or with Key's if that differs
	RequestCertificate                   // ask for a certificate of Generation's key, by Auth
	StoreCandidate                       // keep the certificate that was issued, durably
	Commit                               // make Generation the current one, atomically
	RollBack                             // forget Generation, which is not the current one
	DestroyOld                           // remove all generations and keys but those of Generation and Next
	ConnectWith                          // connect with Generation and none other, until told otherwise
	ScheduleAt                           // send Tick at At; replaces earlier ones
	actions
)

// Action is one thing to do. Which fields count depends on Kind.
type Action struct {
	Kind       ActionKind
	Generation uint32
	Next       uint32 // DestroyOld
	Key        uint32 // CreateKey
	Auth       Auth   // RequestCertificate
	At         Instant
}
