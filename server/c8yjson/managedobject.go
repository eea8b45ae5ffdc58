package c8yjson

import (
	"maps"
	"slices"

	"mooring/server/platform"
)

// Where managed objects live, and the files among them.
const (
	PathManagedObjects = "/inventory/managedObjects/"
	PathBinaries       = "/inventory/binaries/"
)

// objectMembers are those of a managed object that are no fragments. All but
// name, type and owner are written by the server and ignored in bodies.
var objectMembers = map[string]bool{
	"id": true, "self": true, "name": true, "type": true, "owner": true, "creationTime": true, "lastUpdated": true,
	"childDevices": true, "childAssets": true, "childAdditions": true, "externalIds": true,
	"deviceParents": true, "assetParents": true, "additionParents": true,
	"c8y_ActiveAlarmsStatus": true, "c8y_LatestMeasurements": true, "c8y_PreviousMeasurements": true,
}

// hierarchies are the lists of references in a managed object, in the order of
// the contract.
var hierarchies = []string{"childDevices", "childAssets", "childAdditions", "deviceParents", "assetParents", "additionParents"}

// ParentsOf names the list of parents of a hierarchy, by its kind.
var ParentsOf = map[platform.ChildKind]string{
	platform.ChildDevices:   "deviceParents",
	platform.ChildAssets:    "assetParents",
	platform.ChildAdditions: "additionParents",
}

// Relatives are the objects around one, by the name of the list they are in:
// "childDevices", "deviceParents", … A list that is missing is written empty.
type Relatives map[string]RelativeList

// RelativeList is one of those lists.
type RelativeList struct {
	References []platform.Relative
	Count      int64 // written if it is not zero
}

// Add puts r into a list.
func (r Relatives) Add(list string, relative platform.Relative) {
	l := r[list]
	l.References = append(l.References, relative)
	r[list] = l
}

// Count notes how many there are.
func (r Relatives) Count(list string, n int64) {
	l := r[list]
	l.Count = n
	r[list] = l
}

// ManagedObject writes o. base is scheme and host of the client.
func ManagedObject(w *Writer, base string, o platform.ManagedObject, relatives Relatives) {
	object(w, base, PathManagedObjects, o, relatives)
}

// Binary writes the managed object of a file, which has its URL among the
// binaries.
func Binary(w *Writer, base string, o platform.ManagedObject, relatives Relatives) {
	object(w, base, PathBinaries, o, relatives)
}

func object(w *Writer, base, path string, o platform.ManagedObject, relatives Relatives) {
	id := o.ID.String()
	w.Open('{')
	w.Text("id", id)
	w.TextIf("name", o.Name)
	w.TextIf("type", o.Type)
	w.TextIf("owner", o.Owner)
	w.Time("creationTime", o.Created)
	w.Time("lastUpdated", o.Updated)
	w.Link("self", base, path, id)
	for _, name := range slices.Sorted(maps.Keys(o.Fragments)) {
		w.Key(name)
		w.Raw(o.Fragments[name])
	}
	for _, name := range hierarchies {
		w.Key(name)
		w.Open('{')
		w.Link("self", base, PathManagedObjects, id, "/", name)
		if n := relatives[name].Count; n > 0 {
			w.Int("count", n)
		}
		w.Key("references")
		w.Open('[')
		for _, r := range relatives[name].References {
			shortReference(w, base, id, name, r)
		}
		w.Close(']')
		w.Close('}')
	}
	w.Close('}')
}

func shortReference(w *Writer, base, owner, list string, r platform.Relative) {
	w.Open('{')
	w.Key("managedObject")
	w.Open('{')
	w.ID("id", r.ID)
	w.TextIf("name", r.Name)
	w.Link("self", base, PathManagedObjects, r.ID.String())
	w.Close('}')
	w.Link("self", base, PathManagedObjects, owner, "/", list, "/", r.ID.String())
	w.Close('}')
}

// Reference writes a child under its parent with the whole child (rest.md §6.2).
func Reference(w *Writer, base string, parent platform.ID, kind platform.ChildKind, child platform.ManagedObject, relatives Relatives) {
	reference(w, base, parent, string(kind), child, relatives)
}

// ParentReference writes a parent in the list of a child's parents, with the
// whole parent.
func ParentReference(w *Writer, base string, child platform.ID, kind platform.ChildKind, parent platform.ManagedObject, relatives Relatives) {
	reference(w, base, child, ParentsOf[kind], parent, relatives)
}

// reference writes a member of one of owner's lists.
func reference(w *Writer, base string, owner platform.ID, list string, o platform.ManagedObject, relatives Relatives) {
	w.Open('{')
	w.Key("managedObject")
	ManagedObject(w, base, o, relatives)
	w.Link("self", base, PathManagedObjects, owner.String(), "/", list, "/", o.ID.String())
	w.Close('}')
}

// References writes several children that are no page of a list.
func References(w *Writer, base string, parent platform.ID, kind platform.ChildKind, children []platform.ManagedObject) {
	w.Open('{')
	w.Key("references")
	w.Open('[')
	for _, o := range children {
		Reference(w, base, parent, kind, o, nil)
	}
	w.Close(']')
	w.Link("self", base, PathManagedObjects, parent.String(), "/", string(kind))
	w.Close('}')
}

// ManagedObjects writes several objects that are no page of a list.
func ManagedObjects(w *Writer, base string, objects []platform.ManagedObject) {
	w.Open('{')
	w.Key("managedObjects")
	w.Open('[')
	for _, o := range objects {
		ManagedObject(w, base, o, nil)
	}
	w.Close(']')
	w.Close('}')
}

// ObjectInput is a managed object as a client sends it.
type ObjectInput struct {
	Name, Type, Owner *string // nil: not sent; empty: sent as null
	Set               platform.Fragments
	Remove            []string // fragments sent as null
	ExternalIDs       []platform.ExternalID
}

// ParseManagedObject reads the body of a create or an update.
func ParseManagedObject(o Object) (ObjectInput, error) {
	var in ObjectInput
	for name, into := range map[string]**string{"name": &in.Name, "type": &in.Type, "owner": &in.Owner} {
		if _, sent := o[name]; !sent {
			continue
		}
		s, err := o.Text(name)
		if err != nil {
			return ObjectInput{}, err
		}
		*into = &s
	}
	in.Set = platform.Fragments{}
	for name, value := range o {
		switch {
		case objectMembers[name]:
		case isNull(value):
			in.Remove = append(in.Remove, name)
		default:
			in.Set[name] = value
		}
	}
	slices.Sort(in.Remove)
	var err error
	in.ExternalIDs, err = ParseExternalIDs(o)
	return in, err
}

// ParseExternalIDs reads the list "externalIds" of an object.
func ParseExternalIDs(o Object) ([]platform.ExternalID, error) {
	items, err := o.Objects("externalIds")
	if err != nil {
		return nil, err
	}
	var xids []platform.ExternalID
	for _, item := range items {
		xid, err := ParseExternalID(item)
		if err != nil {
			return nil, err
		}
		xids = append(xids, xid)
	}
	return xids, nil
}

// Text returns what p points to; empty for nil.
func Text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// ParseReferences reads the body of a call that adds children: one reference,
// a list of them, or neither, which means that the body is a new object
// (rest.md §6.2). The forms are told apart by content.
func ParseReferences(o Object) (ids []platform.ID, found bool, err error) {
	items := []Object{o}
	if o.Has("references") {
		if items, err = o.Objects("references"); err != nil {
			return nil, false, err
		}
	} else if !o.Has("managedObject") {
		return nil, false, nil
	}
	for _, item := range items {
		inner, err := item.Object("managedObject")
		if err != nil {
			return nil, false, err
		}
		id, err := inner.ID("id")
		if err != nil {
			return nil, false, err
		}
		if id == 0 {
			return nil, false, Missing("managedObject.id")
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, true, Missing("references")
	}
	return ids, true, nil
}

// source writes the member "source" of a measurement, event or alarm.
func source(w *Writer, base string, id platform.ID) { namedSource(w, base, id, "") }

// namedSource tells the name of the source too, unless it is empty.
func namedSource(w *Writer, base string, id platform.ID, name string) {
	w.Key("source")
	w.Open('{')
	w.ID("id", id)
	w.TextIf("name", name)
	w.Link("self", base, PathManagedObjects, id.String())
	w.Close('}')
}

// parseSource reads the member "source"; it is mandatory.
func parseSource(o Object) (platform.ID, error) {
	inner, err := o.Object("source")
	if err != nil {
		return 0, err
	}
	id, err := inner.ID("id")
	if err == nil && id == 0 {
		err = Missing("source.id")
	}
	return id, err
}
