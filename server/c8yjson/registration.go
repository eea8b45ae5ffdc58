package c8yjson

import (
	"maps"
	"net/url"
	"slices"

	"mooring/internal/secret"
	"mooring/server/platform"
)

// PathNewDeviceRequests is where registrations live.
const PathNewDeviceRequests = "/devicecontrol/newDeviceRequests/"

// NewDeviceRequestLink is the URL of a registration below base.
func NewDeviceRequestLink(base, externalID string) string {
	return base + PathNewDeviceRequests + url.PathEscape(externalID)
}

// NewDeviceRequest writes r (rest.md §5.1), never its one-time password.
func NewDeviceRequest(w *Writer, base string, r platform.Registration) {
	w.Open('{')
	w.Text("id", r.ExternalID)
	w.Text("status", string(r.Status))
	w.TextIf("owner", r.Owner)
	w.Text("tenantId", string(r.Tenant))
	w.TextIf("type", r.Type)
	if r.GroupID != 0 {
		w.ID("groupId", r.GroupID)
	}
	if len(r.Custom) > 0 {
		w.Custom(r.Custom)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Extra)) {
		w.Key(name)
		w.Raw(r.Extra[name])
	}
	w.Time("creationTime", r.Created)
	w.Text("self", NewDeviceRequestLink(base, r.ExternalID))
	w.Close('}')
}

// requestMembers are those of a registration that have a meaning, and the
// server's own, which clients send back.
var requestMembers = map[string]bool{"id": true, "type": true, "tenantId": true, "groupId": true, "status": true, "enrollmentToken": true,
	"securityToken": true, "customProperties": true, "self": true, "owner": true, "creationTime": true}

// RegistrationInput is a registration as a client sends it.
type RegistrationInput struct {
	ID            string
	Type          string
	TenantID      string
	GroupID       platform.ID
	EnrolmentOTP  secret.String // enrollmentToken
	Status        string        // of an update
	SecurityToken secret.String
	Custom        platform.Fragments // customProperties; nil: none
	Extra         platform.Fragments // members that have no meaning here; nil: none
}

// ParseNewDeviceRequest reads the body of a registration or of its update.
func ParseNewDeviceRequest(o Object) (RegistrationInput, error) {
	var in RegistrationInput
	var otp, token string
	for name, into := range map[string]*string{"id": &in.ID, "type": &in.Type, "tenantId": &in.TenantID,
		"status": &in.Status, "enrollmentToken": &otp, "securityToken": &token} {
		var err error
		if *into, err = o.Text(name); err != nil {
			return in, err
		}
	}
	in.EnrolmentOTP, in.SecurityToken = secret.New(otp), secret.New(token)
	var err error
	if in.GroupID, err = o.ID("groupId"); err != nil {
		return in, err
	}
	for name, value := range o {
		if requestMembers[name] || isNull(value) {
			continue
		}
		if in.Extra == nil {
			in.Extra = platform.Fragments{}
		}
		in.Extra[name] = value
	}
	in.Custom, err = parseCustom(o)
	return in, err
}
