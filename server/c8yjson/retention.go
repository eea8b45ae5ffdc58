package c8yjson

import (
	"strconv"

	"mooring/server/platform"
)

// PathRetentions is where retention rules live.
const PathRetentions = "/retention/retentions/"

// RetentionRule writes r (OpenAPI, retentionRule).
func RetentionRule(w *Writer, base string, r platform.RetentionRule) {
	w.Open('{')
	w.ID("id", r.ID)
	w.Link("self", base, PathRetentions, r.ID.String())
	w.Text("dataType", r.DataType)
	w.Text("fragmentType", r.FragmentType)
	w.Text("type", r.Type)
	w.Text("source", r.Source)
	w.Int("maximumAge", int64(r.MaximumAge))
	w.Bool("editable", r.Editable)
	w.Close('}')
}

// PatchRetentionRule changes what o names. A new rule has nothing before, and
// must have a maximumAge.
func PatchRetentionRule(r *platform.RetentionRule, o Object) error {
	for name, into := range map[string]*string{"dataType": &r.DataType, "fragmentType": &r.FragmentType, "type": &r.Type, "source": &r.Source} {
		text, err := o.optionalText(name)
		if err != nil {
			return err
		}
		if text != nil {
			*into = *text
		}
	}
	if editable, set, err := o.Bool("editable"); err != nil {
		return err
	} else if set {
		r.Editable = editable
	}
	if !o.Has("maximumAge") {
		if r.MaximumAge == 0 {
			return Missing("maximumAge")
		}
		return nil
	}
	text, err := o.Text("maximumAge")
	if err != nil {
		return err
	}
	if r.MaximumAge, err = strconv.Atoi(text); err != nil {
		return wrongType("maximumAge", "a whole number")
	}
	return nil
}
