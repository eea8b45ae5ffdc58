package c8yjson

import (
	"encoding/json"
	"net/url"

	"mooring/server/platform"
)

// DeviceUserPrefix begins the user name of a device.
const DeviceUserPrefix = "device_"

// CurrentUser writes u as it sees itself (rest.md §4.6).
func CurrentUser(w *Writer, base string, u platform.User) {
	w.Open('{')
	userFields(w, u)
	w.Link("self", base, "/user/currentUser")
	w.Key("effectiveRoles")
	w.Open('[')
	for _, r := range u.Roles {
		w.Open('{')
		w.Text("id", string(r))
		w.Text("name", string(r))
		w.Link("self", base, "/user/roles/", string(r))
		w.Close('}')
	}
	w.Close(']')
	w.Close('}')
}

// User writes u as an administrator sees it (rest.md §6.10).
func User(w *Writer, base string, u platform.User) {
	w.Open('{')
	userFields(w, u)
	w.Link("self", base, userPath(u.Tenant, u.Name))
	w.Close('}')
}

func userPath(tenant platform.TenantID, name string) string {
	return "/user/" + url.PathEscape(string(tenant)) + "/users/" + url.PathEscape(name)
}

func userFields(w *Writer, u platform.User) {
	w.Text("id", u.Name)
	w.Text("userName", u.Name)
	w.TextIf("firstName", u.FirstName)
	w.TextIf("lastName", u.LastName)
	w.TextIf("email", u.Email)
	w.Bool("enabled", u.Enabled)
	w.Bool("shouldResetPassword", false)
	w.TimeIf("lastPasswordChange", u.PasswordSet)
	w.Bool("twoFactorAuthenticationEnabled", false)
	w.Key("devicePermissions")
	w.Raw(json.RawMessage("{}"))
	w.Key("customProperties")
	w.Raw(json.RawMessage("{}"))
}

// DeviceUser writes the user of a device; with its provisioned certificates if
// they were asked for and there are any (rest.md §6.11).
func DeviceUser(w *Writer, base string, u platform.DeviceUser, withCertificates bool) {
	name := DeviceUserPrefix + u.ExternalID
	w.Open('{')
	userFields(w, platform.User{Name: name, Enabled: u.Enabled})
	w.Link("self", base, userPath(u.Tenant, name))
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
