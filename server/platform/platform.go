// Package platform holds the words every part of the server speaks: tenants,
// users, devices, certificates, registrations, managed objects and telemetry,
// and the roles that a store plays for the services.
//
// It is a leaf: types, small pure methods, interfaces. Conventions:
//
//   - A store method that writes is one whole command as data and one
//     transaction, with its audit rows and its rows in the change log.
//   - Tenant is part of every key. A method that takes a TenantID never
//     returns or touches a row of another tenant.
//   - A time is UTC with millisecond resolution; the caller supplies it, the
//     database's clock is never asked.
//   - "Not there" is a problem of kind NotFound, "already there" one of kind
//     Conflict; both carry no text for a peer: the service adds it.
//   - Values passed in and returned are not changed by the other side later.
package platform

import (
	"encoding/json"
	"strconv"
	"time"
)

// TenantID names an isolated customer space, "t1000". On the wire it is the
// tenant's name; the store maps it to a small integer.
type TenantID string

// Management is the tenant that administers the instance.
const Management TenantID = "management"

// ID identifies a managed object, measurement, event, alarm, operation or
// audit record. IDs come from one sequence of the instance and are never
// reused. On the wire an ID is a string of decimal digits.
type ID int64

// String gives the wire form.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParseID reads the wire form: 1 to 18 decimal digits, greater than zero.
func ParseID(s string) (ID, bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || n == 0 || s[0] == '+' {
		return 0, false
	}
	return ID(n), true
}

// Fragments are the top-level properties of a managed object that have no
// field of their own: name → any JSON value.
type Fragments map[string]json.RawMessage

// Page asks for a part of a list (rest.md §0.5).
type Page struct {
	Number    int  // from 1
	Size      int  // 1 to MaxPageSize
	WithTotal bool // count all elements
}

// Bounds of a page.
const (
	DefaultPageSize = 5
	MaxPageSize     = 2000
)

// Offset is the number of elements before the page.
func (p Page) Offset() int { return (p.Number - 1) * p.Size }

// List is one page of a list. More tells that a next page is not empty.
// Total counts all elements and is meaningful only if Page.WithTotal was set.
type List[T any] struct {
	Items []T
	More  bool
	Total int64
}

// Millis cuts t to the store's resolution, in UTC.
func Millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
