package platform

import "time"

// Scope is what a client certificate entitles its holder to (design decision 7).
type Scope int

// The scopes, each including those before it.
const (
	// ExplainOnly: TLS proved that the peer has the key; it may ask why it is refused.
	ExplainOnly Scope = iota
	// ReEnrolOnly: expired within the tenant's grace window; may re-enrol.
	ReEnrolOnly
	// Full: the device may do whatever a device may do.
	Full
)

// String names the scope for logs.
func (s Scope) String() string {
	switch s {
	case Full:
		return "full"
	case ReEnrolOnly:
		return "re-enrol only"
	default:
		return "explain only"
	}
}

// Reason is why somebody was refused: a stable code for machines.
type Reason string

// The reasons.
const (
	Accepted              Reason = ""
	ReasonNoCertificate   Reason = "no-certificate"
	ReasonBroken          Reason = "broken-certificate"
	ReasonUnknownIssuer   Reason = "unknown-issuer"
	ReasonChainOrder      Reason = "chain-order"
	ReasonChainIncomplete Reason = "chain-incomplete"
	ReasonChainDepth      Reason = "chain-too-deep"
	ReasonChainInvalid    Reason = "chain-invalid"
	ReasonExpired         Reason = "expired"
	ReasonNotYetValid     Reason = "not-yet-valid"
	ReasonRevoked         Reason = "revoked"
	ReasonNoList          Reason = "revocation-list-unavailable"
	ReasonAnchorDisabled  Reason = "anchor-disabled"
	ReasonAmbiguous       Reason = "ambiguous-tenant"
	ReasonKeyUsage        Reason = "not-for-client-authentication"
	ReasonWeakKey         Reason = "weak-key"
	ReasonBadName         Reason = "bad-common-name"
	ReasonNameMismatch    Reason = "client-id-differs-from-common-name"
	ReasonNotRegistered   Reason = "device-not-registered"
	ReasonUserDisabled    Reason = "device-user-disabled"
	ReasonPasswordDevice  Reason = "device-uses-password"
	ReasonNameTaken       Reason = "device-id-taken"
	ReasonBadCredentials  Reason = "bad-credentials"
	ReasonBadOTP          Reason = "otp-refused"
	ReasonBadCSR          Reason = "csr-refused"
	ReasonAttestation     Reason = "attestation-refused"
	ReasonProtocol        Reason = "protocol-not-supported"
	ReasonBadClientID     Reason = "bad-client-id"
	ReasonOneWay          Reason = "two-way-tls-off"
	ReasonTooFast         Reason = "too-many-messages"
	ReasonInternal        Reason = "internal-error"
)

var reasonTexts = map[Reason]string{
	ReasonNoCertificate:   "no client certificate was sent",
	ReasonBroken:          "the certificate cannot be parsed",
	ReasonUnknownIssuer:   "no trusted certificate of any tenant issued this certificate",
	ReasonChainOrder:      "the certificates of the chain are not in order: leaf first, then each issuer",
	ReasonChainIncomplete: "the chain does not reach a trusted certificate: send the intermediates up to it",
	ReasonChainDepth:      "the chain is longer than allowed",
	ReasonChainInvalid:    "the chain breaks a rule: signature, path length, name constraint or CA flag",
	ReasonExpired:         "a certificate of the chain has expired",
	ReasonNotYetValid:     "a certificate of the chain is not valid yet: check the clocks",
	ReasonRevoked:         "a certificate of the chain is revoked",
	ReasonNoList:          "the revocation list that a certificate names cannot be had, and the tenant refuses without it",
	ReasonAnchorDisabled:  "the trusted certificate is disabled",
	ReasonAmbiguous:       "more than one tenant trusts this chain",
	ReasonKeyUsage:        "the certificate is not for client authentication",
	ReasonWeakKey:         "a key or signature of the chain is too weak",
	ReasonBadName:         "the common name is missing, repeated or contains a forbidden character",
	ReasonNameMismatch:    "the device identifier in the client ID differs from the certificate's common name",
	ReasonNotRegistered:   "the device is not registered and the trusted certificate does not allow auto-registration",
	ReasonUserDisabled:    "the device user is disabled",
	ReasonPasswordDevice:  "the device is set up with a password: enrol with it once to convert it",
	ReasonNameTaken:       "the object of that external ID belongs to another device, which has made it its child: delete the object, or give it the device's user as owner",
	ReasonBadCredentials:  "user or password is wrong",
	ReasonBadOTP:          "the device is not registered, or its one-time password is wrong or spent",
	ReasonBadCSR:          "the certificate request is refused",
	ReasonAttestation:     "what the device shows of its TPM is refused, or it shows nothing and must",
	ReasonProtocol:        "only MQTT 3.1 and 3.1.1 are spoken here",
	ReasonBadClientID:     "the client ID is not accepted",
	ReasonOneWay:          "this server does not take client certificates for MQTT: two-way TLS is switched off; the device needs a user and a password",
	ReasonTooFast:         "the device sent more than its limit of messages, and the connection was closed",
	ReasonInternal:        "the server could not decide; try again",
}

// Text says the reason in one sentence for a person; empty for Accepted.
func (r Reason) Text() string { return reasonTexts[r] }

// CertificateFacts is what may be told about a certificate in logs and answers.
type CertificateFacts struct {
	Subject     string // "CN=dev1, O=Acme"
	Issuer      string
	Serial      string   // lower-case hex
	Fingerprint [32]byte // SHA-256 over the DER
	NotBefore   time.Time
	NotAfter    time.Time
}

// Verdict is the decision on one client certificate chain. It is a pure
// function of (chain, trust snapshot, minute): it says nothing of the device
// user, whom deviceauth asks afterwards.
type Verdict struct {
	Scope  Scope
	Reason Reason // Accepted if Scope is Full
	Detail string // more than Reason.Text(), for those who may see it
	// Tenant is set only after an anchor of that tenant verified a signature of
	// the chain: a refusal may be charged to it.
	Tenant TenantID
	Device string // common name of the leaf; empty if there is none that could be a device's
	Leaf   CertificateFacts
	// Anchor is the fingerprint (SHA-1, hex) of the trusted certificate that decided.
	Anchor string
	// AnchorKey names subject and public key of the anchor. Another record of them
	// by the same tenant, such as a renewed certificate, stands in for it.
	AnchorKey        [16]byte
	AutoRegistration bool
	Serials          []string    // lower-case hex of every certificate in the path, leaf first, anchor included
	Lists            []ListEntry // where issuers would list certificates of the path that they revoked
	Generation       uint64      // of the trust snapshot
	ValidUntil       time.Time   // the earliest end in the path: after it the verdict no longer holds
}

// Refusal is one refused handshake, CONNECT, enrolment or token (design
// decision 14).
type Refusal struct {
	Tenant  TenantID // Management until an anchor of a tenant verified a signature
	CN      string   // common name or external ID claimed; empty: filed under the address
	At      time.Time
	Door    string // "mqtts", "mtls", "est", "token", "rest"
	Address string // host without port
	Reason  Reason
	Detail  string
	Leaf    CertificateFacts // zero if there was no certificate
}
