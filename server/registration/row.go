package registration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// Bounds of what a row may build; they are ours.
const (
	maxGroups      = 10 // depth of PATH
	maxGroupBytes  = 254
	maxNesting     = 8 // dots of a property's name, plus one
	maxNameBytes   = 254
	externalPrefix = "external-"
)

// row is one line, understood.
type row struct {
	externalID string
	idType     string // empty: c8y_Serial
	tenant     platform.TenantID
	authType   string
	password   secret.String
	otp        secret.String
	objectType string
	name       string
	groups     []string
	others     []platform.ExternalID
	properties tree
}

// tree is nested properties: each value is a string or a tree.
type tree map[string]any

// columns are the names the platform knows, each with where it goes. They are
// compared without regard to case; all other columns are properties.
var columns = map[string]func(*row, string) error{
	"ID":             func(r *row, v string) error { r.externalID = v; return nil },
	"IDTYPE":         func(r *row, v string) error { r.idType = v; return nil },
	"TENANT":         func(r *row, v string) error { r.tenant = platform.TenantID(v); return nil },
	"AUTH_TYPE":      func(r *row, v string) error { r.authType = strings.ToUpper(v); return nil },
	"CREDENTIALS":    func(r *row, v string) error { r.password = secret.New(v); return nil },
	"ENROLLMENT_OTP": func(r *row, v string) error { r.otp = secret.New(v); return nil },
	"TYPE":           func(r *row, v string) error { r.objectType = v; return nil },
	"NAME":           func(r *row, v string) error { r.name = v; return nil },
	"PATH":           (*row).setPath,
	"ICCID":          func(r *row, v string) error { return r.set("c8y_Mobile.iccid", v) },
	"SHELL":          (*row).setShell,
}

// reserved are names of managed objects' own fields and of what the server
// keeps itself: a file cannot set them.
var reserved = []string{
	"self", "owner", "creationTime", "lastUpdated", "childDevices", "childAssets", "childAdditions",
	"deviceParents", "assetParents", "additionParents", platform.FragmentIsDevice, platform.FragmentIsDeviceGroup,
}

// checkHeader finds what makes every row fail.
func checkHeader(header []string) error {
	seen := map[string]bool{}
	for _, name := range header {
		key := columnKey(name)
		if name == "" {
			return fmt.Errorf("a column has no name")
		}
		if seen[key] {
			return fmt.Errorf("column %s occurs twice", name)
		}
		seen[key] = true
	}
	if !seen["ID"] {
		return fmt.Errorf("there is no column ID")
	}
	return nil
}

// columnKey is the name of a known column as in columns, else name.
func columnKey(name string) string {
	if upper := strings.ToUpper(name); columns[upper] != nil {
		return upper
	}
	return name
}

// isSimple reports whether the file only names devices: it then makes ordinary
// requests without credentials (rest.md §5.2).
func isSimple(header []string) bool {
	return !slices.ContainsFunc(header, func(name string) bool {
		key := columnKey(name)
		return key != "ID" && key != "PATH"
	})
}

// parseRow reads the cells of a line. An empty cell counts as absent.
func parseRow(header, cells []string) (row, error) {
	r := row{properties: tree{}}
	for i, value := range cells {
		if value == "" {
			continue
		}
		if err := r.put(header[i], value); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (r *row) put(name, value string) error {
	if set := columns[columnKey(name)]; set != nil {
		return set(r, value)
	}
	if kind, ok := strings.CutPrefix(name, externalPrefix); ok && kind != "" {
		r.others = append(r.others, platform.ExternalID{Type: kind, Value: value})
		return nil
	}
	return r.set(name, value)
}

// set puts a property, whose name is parted by dots, into the tree.
func (r *row) set(name, value string) error {
	parts := strings.Split(name, ".")
	if len(parts) > maxNesting || len(name) > maxNameBytes || slices.Contains(parts, "") {
		return fmt.Errorf("column %.40q is no name of a property", name)
	}
	if slices.Contains(reserved, parts[0]) {
		return fmt.Errorf("column %s is reserved", name)
	}
	at := r.properties
	for _, part := range parts[:len(parts)-1] {
		if at[part] == nil {
			at[part] = tree{}
		}
		next, ok := at[part].(tree)
		if !ok {
			return fmt.Errorf("column %s lies within a column that has a value", name)
		}
		at = next
	}
	last := parts[len(parts)-1]
	if at[last] != nil {
		return fmt.Errorf("column %s has other columns within it", name)
	}
	at[last] = value
	return nil
}

func (r *row) setPath(v string) error {
	for group := range strings.SplitSeq(v, "/") {
		if group == "" {
			continue
		}
		if len(group) > maxGroupBytes {
			return fmt.Errorf("a group of PATH is longer than %d bytes", maxGroupBytes)
		}
		r.groups = append(r.groups, group)
	}
	if len(r.groups) > maxGroups {
		return fmt.Errorf("PATH has more than %d groups", maxGroups)
	}
	return nil
}

func (r *row) setShell(v string) error {
	if v == "1" {
		r.properties[platform.FragmentSupportedOperations] = []string{"c8y_Command"}
	}
	return nil
}

// check holds a row to the rules of rest.md §5.2. simple rows need no
// credentials.
func (r *row) check(simple bool) error {
	if r.externalID == "" {
		return fmt.Errorf("the ID is missing")
	}
	if err := checkID(r.externalID); err != nil {
		return err
	}
	for _, x := range r.externalIDs() {
		if len(x.Type) > maxNameBytes || len(x.Value) > maxNameBytes {
			return fmt.Errorf("an external ID or its type is longer than %d bytes", maxNameBytes)
		}
	}
	if len(r.name) > maxNameBytes || len(r.objectType) > maxTypeBytes {
		return fmt.Errorf("NAME or TYPE is longer than %d bytes", maxNameBytes)
	}
	if simple {
		return nil
	}
	return r.checkCredentials()
}

func (r *row) checkCredentials() error {
	switch r.authType {
	case "CERTIFICATES":
		return checkOTP(r.otp)
	case "", "BASIC", "CREDENTIALS":
	default:
		return fmt.Errorf("AUTH_TYPE is neither BASIC nor CERTIFICATES")
	}
	if !r.otp.IsZero() {
		return fmt.Errorf("ENROLLMENT_OTP needs AUTH_TYPE CERTIFICATES")
	}
	if r.password.IsZero() {
		return fmt.Errorf("CREDENTIALS are missing")
	}
	return nil
}

// byCertificate reports whether the device is set up for certificates.
func (r *row) byCertificate() bool { return r.authType == "CERTIFICATES" }

// externalIDs are the names of the device, its own first.
func (r *row) externalIDs() []platform.ExternalID {
	kind := r.idType
	if kind == "" {
		kind = platform.SerialType
	}
	return append([]platform.ExternalID{{Type: kind, Value: r.externalID}}, r.others...)
}

// fragments are the properties of the device's managed object.
func (r *row) fragments() (platform.Fragments, error) {
	out := platform.Fragments{platform.FragmentIsDevice: json.RawMessage("{}")}
	for name, value := range r.properties {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, problem.New(problem.Internal, "", err)
		}
		out[name] = text
	}
	return out, nil
}
