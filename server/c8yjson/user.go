package c8yjson

import (
	"encoding/json"
	"net/url"

	"mooring/internal/secret"
	"mooring/server/platform"
)

// DeviceUserPrefix begins the user name of a device.
const DeviceUserPrefix = "device_"

// CurrentUser writes u as it sees itself (rest.md §4.6).
func CurrentUser(w *Writer, base string, u platform.User, effective []platform.Role) {
	w.Open('{')
	userFields(w, u)
	w.Link("self", base, "/user/currentUser")
	w.Key("effectiveRoles")
	w.Open('[')
	for _, r := range effective {
		Role(w, base, r)
	}
	w.Close(']')
	w.Close('}')
}

// Role writes a role.
func Role(w *Writer, base string, r platform.Role) {
	w.Open('{')
	w.Text("id", string(r))
	w.Text("name", string(r))
	w.Link("self", base, "/user/roles/", string(r))
	w.Close('}')
}

func roleReferences(w *Writer, base string, roles []platform.Role) {
	w.Open('{')
	w.Key("references")
	w.Open('[')
	for _, r := range roles {
		w.Open('{')
		w.Key("role")
		Role(w, base, r)
		w.Close('}')
	}
	w.Close(']')
	w.Close('}')
}

// User writes u as an administrator sees it (rest.md §6.10); groups writes the
// references of the groups u is in.
func User(w *Writer, base string, u platform.User, effective []platform.Role, groups func()) {
	w.Open('{')
	userFields(w, u)
	w.Text("passwordStrength", "GREEN") // no other is accepted
	w.Link("self", base, UserPath(u.Tenant, u.Name))
	w.Key("roles")
	roleReferences(w, base, u.Roles)
	w.Key("groups")
	w.Open('{')
	w.Link("self", base, UserPath(u.Tenant, u.Name), "/groups")
	w.Key("references")
	w.Open('[')
	groups()
	w.Close(']')
	w.Close('}')
	w.Key("effectiveRoles")
	w.Open('[')
	for _, r := range effective {
		Role(w, base, r)
	}
	w.Close(']')
	w.Close('}')
}

// ReadUser merges what a client sends into u. The password comes apart.
func ReadUser(o Object, u *platform.User) (password secret.String, err error) {
	var text string
	for name, into := range map[string]*string{"userName": &u.Name, "firstName": &u.FirstName, "lastName": &u.LastName,
		"email": &u.Email, "phone": &u.Phone, "displayName": &u.DisplayName, "password": &text} {
		if !o.Has(name) {
			continue
		}
		if *into, err = o.Text(name); err != nil {
			return secret.String{}, err
		}
	}
	for name, into := range map[string]*bool{"enabled": &u.Enabled, "shouldResetPassword": &u.ResetPassword} {
		value, set, err := o.Bool(name)
		if err != nil {
			return secret.String{}, err
		}
		if set {
			*into = value
		}
	}
	if o.Has("customProperties") {
		if u.Custom, err = parseCustom(o); err != nil {
			return secret.String{}, err
		}
	}
	if text == "" {
		return secret.String{}, nil
	}
	return secret.New(text), nil
}

// UserPath is where a user is found.
func UserPath(tenant platform.TenantID, name string) string {
	return "/user/" + url.PathEscape(string(tenant)) + "/users/" + url.PathEscape(name)
}

func userFields(w *Writer, u platform.User) {
	w.Text("id", u.Name)
	w.Text("userName", u.Name)
	w.TextIf("firstName", u.FirstName)
	w.TextIf("lastName", u.LastName)
	w.TextIf("email", u.Email)
	w.TextIf("phone", u.Phone)
	w.TextIf("displayName", u.DisplayName)
	w.Bool("enabled", u.Enabled)
	w.Bool("shouldResetPassword", u.ResetPassword)
	w.TimeIf("lastPasswordChange", u.PasswordSet)
	w.Bool("twoFactorAuthenticationEnabled", false)
	w.Key("devicePermissions")
	w.Raw(json.RawMessage("{}"))
	w.Custom(u.Custom)
}

// DeviceUser writes the user of a device; with its provisioned certificates if
// they were asked for and there are any (rest.md §6.11).
func DeviceUser(w *Writer, base string, u platform.DeviceUser, withCertificates bool) {
	name := DeviceUserPrefix + u.ExternalID
	w.Open('{')
	userFields(w, platform.User{Name: name, Enabled: u.Enabled})
	w.Link("self", base, UserPath(u.Tenant, name))
	if withCertificates && len(u.Provisioned) > 0 {
		w.Key("provisionedCertificates")
		w.Open('[')
		for _, c := range u.Provisioned {
			w.Open('{')
			w.Text("serialNumber", c.Serial)
			w.Time("notBefore", c.NotBefore)
			w.Time("notAfter", c.NotAfter)
			w.Close('}')
		}
		w.Close(']')
	}
	w.Close('}')
}

// ObjectUser writes the device user that belongs to a managed object
// (rest.md §6.1).
func ObjectUser(w *Writer, base string, id platform.ID, name string, enabled bool) {
	w.Open('{')
	w.Text("userName", name)
	w.Bool("enabled", enabled)
	w.Link("self", base, PathManagedObjects, id.String(), "/user")
	w.Close('}')
}
