package c8yjson

import (
	"net/url"

	"mooring/server/platform"
)

// PathExternalIDs is where external IDs live.
const PathExternalIDs = "/identity/externalIds/"

// ExternalIDLink is the URL of an external ID below base.
func ExternalIDLink(base string, x platform.ExternalID) string {
	return base + PathExternalIDs + url.PathEscape(x.Type) + "/" + url.PathEscape(x.Value)
}

// ExternalID writes the binding of x to the object id (rest.md §6.3).
func ExternalID(w *Writer, base string, id platform.ID, x platform.ExternalID) {
	w.Open('{')
	w.Text("externalId", x.Value)
	w.Text("type", x.Type)
	w.Key("managedObject")
	w.Open('{')
	w.ID("id", id)
	w.Link("self", base, PathManagedObjects, id.String())
	w.Close('}')
	w.Text("self", ExternalIDLink(base, x))
	w.Close('}')
}

// ExternalIDs writes all external IDs of an object.
func ExternalIDs(w *Writer, base string, id platform.ID, xids []platform.ExternalID) {
	bound := make([]BoundID, len(xids))
	for i, x := range xids {
		bound[i] = BoundID{id, x}
	}
	BoundIDs(w, base, bound, "/identity/globalIds/"+id.String()+"/externalIds")
}

// BoundID is an external ID with the object that has it.
type BoundID struct {
	Object platform.ID
	platform.ExternalID
}

// BoundIDs writes external IDs of any objects; self is the path of the list.
func BoundIDs(w *Writer, base string, bound []BoundID, self string) {
	w.Open('{')
	w.Key("externalIds")
	w.Open('[')
	for _, b := range bound {
		ExternalID(w, base, b.Object, b.ExternalID)
	}
	w.Close(']')
	w.Link("self", base, self)
	w.Close('}')
}

// ParseExternalID reads type and externalId; both are mandatory.
func ParseExternalID(o Object) (platform.ExternalID, error) {
	if err := o.require("type", "externalId"); err != nil {
		return platform.ExternalID{}, err
	}
	typ, err := o.Text("type")
	if err != nil {
		return platform.ExternalID{}, err
	}
	value, err := o.Text("externalId")
	if err == nil && (typ == "" || value == "") {
		err = Missing("type", "externalId")
	}
	return platform.ExternalID{Type: typ, Value: value}, err
}
