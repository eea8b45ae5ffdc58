package c8yjson

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"time"

	"mooring/server/platform"
)

// CurrentTenant writes t as its own users see it. name is the tenant's ID
// (rest.md §4.5); parent is left out if it is empty.
func CurrentTenant(w *Writer, base string, t platform.Tenant, parent platform.TenantID) {
	w.Open('{')
	w.Text("name", string(t.ID))
	w.Text("domainName", t.Domain)
	w.Bool("allowCreateTenants", t.ID == platform.Management)
	w.TextIf("parent", string(parent))
	w.Key("customProperties")
	w.Raw(json.RawMessage("{}"))
	w.Key("applications")
	w.Raw(json.RawMessage(`{"references":[]}`))
	w.Link("self", base, "/tenant/currentTenant")
	w.Close('}')
}

// Tenant writes t as management sees it.
func Tenant(w *Writer, base string, t platform.Tenant) {
	w.Open('{')
	w.Text("id", string(t.ID))
	w.Text("domain", t.Domain)
	w.Text("company", string(t.ID))
	w.Text("status", "ACTIVE")
	w.Time("creationTime", t.Created)
	w.Link("self", base, "/tenant/tenants/"+url.PathEscape(string(t.ID)))
	w.Close('}')
}

// NewTenant is a tenant as management sends it.
type NewTenant struct{ ID, Domain, AdminName, AdminPass string }

// ParseNewTenant reads a tenant to be made. Company and contact are accepted
// and not kept.
func ParseNewTenant(o Object) (NewTenant, error) {
	var in NewTenant
	if err := o.require("adminName", "adminPass"); err != nil {
		return in, err
	}
	for name, into := range map[string]*string{"id": &in.ID, "domain": &in.Domain, "adminName": &in.AdminName, "adminPass": &in.AdminPass} {
		var err error
		if *into, err = o.Text(name); err != nil {
			return in, err
		}
	}
	return in, nil
}

// LoginOptions writes the ways to log in (rest.md §4.4): by token, whose form
// goes to request and whose sessions last as long as session, and by Basic.
func LoginOptions(w *Writer, base, id, request string, session time.Duration, minPassword int) {
	w.Open('{')
	w.Link("self", base, "/tenant/loginOptions/")
	w.Key("loginOptions")
	w.Open('[')
	w.Open('{')
	w.Text("id", id)
	w.Text("type", "OAUTH2_INTERNAL")
	w.Text("grantType", "PASSWORD")
	w.Text("userManagementSource", "INTERNAL")
	w.Text("tfaStrategy", "TOTP")
	w.Bool("visibleOnLoginPage", true)
	w.Text("initRequest", request)
	w.Bool("enforceStrength", false)
	w.Int("greenMinLength", int64(minPassword))
	w.Bool("strengthValidity", false)
	w.Key("sessionConfiguration")
	w.Open('{')
	w.Int("absoluteTimeoutMillis", session.Milliseconds())
	w.Int("renewalTimeoutMillis", session.Milliseconds())
	w.Bool("userAgentValidationRequired", false)
	w.Close('}')
	w.Link("self", base, "/tenant/loginOptions/", id)
	w.Close('}')
	w.Open('{')
	w.Text("id", "BASIC")
	w.Text("type", "BASIC")
	w.Text("userManagementSource", "INTERNAL")
	w.Bool("visibleOnLoginPage", true)
	w.Key("authenticationRestrictions")
	w.Raw(json.RawMessage(`{"forbiddenClients":[],"forbiddenUserAgents":[],"trustedUserAgents":[]}`))
	w.Link("self", base, "/tenant/loginOptions/BASIC")
	w.Close('}')
	w.Close(']')
	w.Close('}')
}

// Option writes a tenant option (rest.md §4.7).
func Option(w *Writer, base string, o platform.Option) {
	w.Open('{')
	w.Text("category", o.Category)
	w.Text("key", o.Key)
	w.Text("value", o.Value)
	w.Text("self", base+"/tenant/options/"+url.PathEscape(o.Category)+"/"+url.PathEscape(o.Key))
	w.Close('}')
}

// OptionMap writes the options of one category as a flat map.
func OptionMap(w *Writer, options []platform.Option) {
	w.Open('{')
	for _, o := range options {
		w.Text(o.Key, o.Value)
	}
	w.Close('}')
}

// ParseOption reads {category, key, value}.
func ParseOption(o Object) (platform.Option, error) {
	if err := o.require("category", "key", "value"); err != nil {
		return platform.Option{}, err
	}
	var out platform.Option
	var err error
	if out.Category, err = o.Text("category"); err != nil {
		return out, err
	}
	if out.Key, err = o.Text("key"); err != nil {
		return out, err
	}
	out.Value, err = o.Text("value")
	return out, err
}

// ParseOptionMap reads a flat map, in the order of its keys.
func ParseOptionMap(category string, o Object) ([]platform.Option, error) {
	var options []platform.Option
	for _, key := range slices.Sorted(maps.Keys(o)) {
		value, err := o.Text(key)
		if err != nil {
			return nil, err
		}
		options = append(options, platform.Option{OptionKey: platform.OptionKey{Category: category, Key: key}, Value: value})
	}
	return options, nil
}

// ParseValue reads the mandatory member "value" of an option.
func ParseValue(o Object) (string, error) {
	if err := o.require("value"); err != nil {
		return "", err
	}
	return o.Text("value")
}

// Feature is a toggle as a tenant sees it (rest.md §2.2).
type Feature struct {
	Key      string
	Phase    string // "GENERALLY_AVAILABLE"
	Active   bool
	Override bool // the tenant has a setting of its own
}

// FeatureToggle writes f.
func FeatureToggle(w *Writer, f Feature) {
	strategy := "DEFAULT"
	if f.Override {
		strategy = "TENANT"
	}
	w.Open('{')
	w.Text("key", f.Key)
	w.Text("phase", f.Phase)
	w.Bool("active", f.Active)
	w.Text("strategy", strategy)
	w.Close('}')
}

// ParseActive reads the mandatory member "active" of a toggle.
func ParseActive(o Object) (bool, error) {
	active, set, err := o.Bool("active")
	if err == nil && !set {
		err = Missing("active")
	}
	return active, err
}
