package legacy

import (
	"net/url"
	"slices"
	"strings"

	"mooring/internal/smartrest/template"
)

// ParamType is what a value of a line must look like.
type ParamType string

// The types.
const (
	String   ParamType = "STRING"
	Date     ParamType = "DATE"
	Number   ParamType = "NUMBER"
	Integer  ParamType = "INTEGER"
	Unsigned ParamType = "UNSIGNED"
	Now      ParamType = "NOW" // the time of the server; the line has no value for it
)

var methods = []string{"GET", "POST", "PUT", "DELETE"}

// piece is text, and how the value that comes after it is to be written; the last
// one has none.
type piece struct {
	text  string
	place place
}

type place byte

const (
	nowhere  place = iota // there is no value
	verbatim              // as it is
	inText                // between the quotes of a JSON text
	inPath                // of a URI
	inQuery               // of a URI
)

// compile checks the template and takes it apart.
func (r *Request) compile() error {
	r.Method = strings.ToUpper(r.Method)
	if !ValidMessageID(r.MessageID) || !slices.Contains(methods, r.Method) || !validURI(r.URI) || len(r.Params) > MaxParams {
		return refuse(badRequest)
	}
	hasBody := r.Method == "POST" || r.Method == "PUT"
	switch {
	case hasBody && r.ContentType == "":
		return refuse("No content type found for " + r.Method + " templates.")
	case hasBody && r.Template == "":
		return refuse("No template string found for " + r.Method + " templates.")
	case !hasBody && r.ContentType != "":
		return refuse("No content type supported for " + r.Method + " templates.")
	case !hasBody && r.Template != "":
		return refuse("No template string supported for " + r.Method + " templates.")
	}
	for i, p := range r.Params {
		r.Params[i] = ParamType(strings.ToUpper(string(p)))
		if !r.Params[i].known() {
			return refuse("Bad value type: " + string(p))
		}
	}
	r.uri = cutURI(r.URI, r.Placeholder)
	r.body = cutBody(r.Template, r.Placeholder, strings.Contains(r.ContentType, "json"))
	return r.assign()
}

// assign gives each placeholder its type.
func (r *Request) assign() error {
	n := len(r.uri) + len(r.body) - 2
	switch {
	case n > MaxParams:
		return refuse(badRequest)
	case r.Placeholder == "": // types that nothing stands for are let be, as Telekom's SDK writes them
		r.slots = nil
	case len(r.Params) == 0:
		r.slots = slices.Repeat([]ParamType{String}, n)
	case len(r.Params) != n:
		return refuse(badRequest)
	default:
		r.slots = r.Params
	}
	return nil
}

func (t ParamType) known() bool { return t == Now || slices.Contains(typed, template.ValueType(t)) }

// typed are the types that the templates of SmartREST 2.0 have, too.
var typed = []template.ValueType{template.String, template.Date, template.Number, template.Integer, template.Unsigned}

// validURI accepts what names a resource of this server.
func validURI(s string) bool {
	return len(s) > 1 && s[0] == '/' && s[1] != '/' && !strings.ContainsAny(s, "\r\n\t")
}

// cut takes s apart at the placeholder.
func cut(s, placeholder string) []string {
	if placeholder == "" {
		return []string{s}
	}
	return strings.Split(s, placeholder)
}

func cutURI(s, placeholder string) []piece {
	var pieces []piece
	at := inPath
	for _, text := range cut(s, placeholder) {
		if strings.Contains(text, "?") {
			at = inQuery
		}
		pieces = append(pieces, piece{tidy(text), at})
	}
	pieces[len(pieces)-1].place = nowhere
	return pieces
}

// tidy escapes what may not stand in a URI and what people write there all the
// same: blanks, quotes, text.
func tidy(s string) string {
	if !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune("#\"<>\\^`{|}%", c) }) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b.WriteByte(c)
		case c <= ' ' || c >= 0x7f || strings.IndexByte("#\"<>\\^`{|}%", c) >= 0:
			b.WriteString(url.PathEscape(string([]byte{c})))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func cutBody(s, placeholder string, isJSON bool) []piece {
	var pieces []piece
	var j jsonText
	for _, text := range cut(s, placeholder) {
		at := verbatim
		if j.pass(text); isJSON && j.inside {
			at = inText
		}
		pieces = append(pieces, piece{text, at})
	}
	pieces[len(pieces)-1].place = nowhere
	return pieces
}

// jsonText knows, of a JSON document that passes by, whether its end is inside the
// quotes of a text.
type jsonText struct{ inside, escaped bool }

func (j *jsonText) pass(s string) {
	for i := range len(s) {
		switch c := s[i]; {
		case j.escaped:
			j.escaped = false
		case c == '\\' && j.inside:
			j.escaped = true
		case c == '"':
			j.inside = !j.inside
		}
	}
}
