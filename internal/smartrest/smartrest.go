// Package smartrest converts between SmartREST 2.0 lines and records.
//
// A payload is one or more lines; a line is CSV whose first field is a template
// ID. Parse splits a payload, Decode turns one line into a typed record by the
// table of static templates, and the Append functions write lines. The package
// does no I/O, keeps no state and never asks for the time: whoever calls it
// says what "now" is.
//
//	payload = line *( LF line ) [ LF ]
//	line    = template-id *( "," field ) [ CR ]
//	field   = bare / DQUOTE *( char / `\"` / `""` ) DQUOTE
//
// Upstream both escapes of a quote are read, and a client that does not escape
// at all is understood as far as possible (thin-edge.io writes event texts that
// way): see parse.go. Downstream a quote is written `\"`, which is what the
// clients of the field unescape.
//
// Numbers stay decimal text, checked but never rounded.
package smartrest

// Bounds of what is parsed. None of them can be reached by a client that keeps
// to the documented packet limit with useful lines.
const (
	// MaxPayload is the documented size of a whole PUBLISH packet in bytes
	// (vendor quotas); no payload can be longer.
	MaxPayload = 16184
	// MaxLegacyPayload is the size of a body of SmartREST 1.0 in bytes; ours. The
	// collections of the vendor's agents have some 40 KB.
	MaxLegacyPayload = 256 << 10
	// MaxLines is how many lines one payload may have; ours, a line being at
	// least as much work as a database row.
	MaxLines = 1000
	// MaxFields is how many fields a line may have after its template ID; ours.
	MaxFields = 1000
	// MaxTemplateID is the length of a template ID in bytes; ours, custom
	// collections use up to eight characters.
	MaxTemplateID = 64
)

// Line is one parsed line.
type Line struct {
	// TemplateID is the first field. It may be non-numeric in custom collections.
	TemplateID string
	// Fields are the unescaped fields after the template ID. They share one
	// array with other lines of the payload and must not be changed.
	Fields []string
	// Raw is the line as it was sent, without its end.
	Raw string
	// Err says why the line could not be parsed; TemplateID is then set as far
	// as it was recognised and Fields is nil.
	Err *Error
}

// Field returns the i-th field after the template ID, or "" beyond the last:
// missing trailing values are the same as empty ones.
func (l Line) Field(i int) string {
	if i < len(l.Fields) {
		return l.Fields[i]
	}
	return ""
}
