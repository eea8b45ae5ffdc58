package deviceid

import (
	"strings"

	"mooring/internal/problem"
)

// devicePrefix starts the name of every device user (mqtt.md §1.5).
const devicePrefix = "device_"

// MaxUserNameBytes bounds an MQTT or Basic user name, tenant included.
const MaxUserNameBytes = MaxIDBytes + len(devicePrefix) + 1 + 64

// DeviceUser returns the name of the user that acts for a device.
func DeviceUser(externalID string) string { return devicePrefix + externalID }

// DeviceOfUser is the inverse of DeviceUser; it is not ok for other users.
func DeviceOfUser(user string) (externalID string, ok bool) {
	id, ok := strings.CutPrefix(user, devicePrefix)
	return id, ok && id != ""
}

// ParseUserName splits "tenant/user". Without a slash the tenant is empty: it
// then comes from the host name. Further slashes belong to the user.
func ParseUserName(s string) (tenant, user string) {
	tenant, user, found := strings.Cut(s, "/")
	if !found {
		return "", s
	}
	return tenant, user
}

// ParseTenantUser splits "tenant/user" where both must be present, as in the
// user name of an MQTT connection with a password.
func ParseTenantUser(s string) (tenant, user string, err error) {
	if len(s) > MaxUserNameBytes {
		return "", "", problem.New(problem.Invalid, "the user name is too long", nil)
	}
	tenant, user, found := strings.Cut(s, "/")
	if !found || tenant == "" || user == "" {
		return "", "", problem.New(problem.Invalid, "the user name has the form tenant/user", nil)
	}
	return tenant, user, checkText(s)
}
