package legacy

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"mooring/internal/smartrest"
	"mooring/internal/smartrest/template"
)

// Call is a REST call that a line asks for.
type Call struct {
	Method string
	// URI is path and query, escaped.
	URI                 string
	ContentType, Accept string // may be empty
	Body                string
}

// Fill makes the call of values, which are the fields of a line after its message
// ID. Empty ones at the end do not count.
//
// A value is escaped for where it stands: in the path or the query of the URI, or
// in a text of a JSON body. Elsewhere in the body it stands as it is, because
// agents send parts of JSON (`[%%]` with `"c8y_Restart","c8y_Command"`).
func (r *Request) Fill(values []string, now time.Time) (Call, error) {
	f := filler{values: values, slots: r.slots, now: now}
	for len(f.values) > 0 && f.values[len(f.values)-1] == "" && len(f.values) > r.takes() {
		f.values = f.values[:len(f.values)-1]
	}
	switch takes := r.takes(); {
	case takes == len(f.values):
	case takes == 0:
		return Call{}, smartrest.NewError(smartrest.CodeArgument, "", "No arguments supported")
	default:
		return Call{}, smartrest.NewError(smartrest.CodeArgument, "", "Wrong number of arguments")
	}
	c := Call{Method: r.Method, ContentType: r.ContentType, Accept: r.Accept, URI: f.fill(r.uri), Body: f.fill(r.body)}
	if f.err != nil {
		return Call{}, f.err
	}
	return c, nil
}

// takes is how many values a line must have.
func (r *Request) takes() int {
	n := 0
	for _, t := range r.slots {
		if t != Now {
			n++
		}
	}
	return n
}

// filler puts one value after the other where it belongs. The first problem is kept.
type filler struct {
	values []string
	slots  []ParamType
	now    time.Time
	err    error
}

func (f *filler) fill(pieces []piece) string {
	if len(pieces) == 1 {
		return pieces[0].text
	}
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(p.text)
		switch p.place {
		case verbatim:
			b.WriteString(f.next())
		case inText:
			quoted, _ := json.Marshal(f.next()) // a text always marshals
			b.Write(quoted[1 : len(quoted)-1])
		case inPath:
			b.WriteString(url.PathEscape(f.next()))
		case inQuery:
			b.WriteString(url.QueryEscape(f.next()))
		}
	}
	return b.String()
}

// next is the text of the next value.
func (f *filler) next() string {
	t := f.slots[0]
	f.slots = f.slots[1:]
	if t == Now {
		return f.now.UTC().Format(template.TimeFormat)
	}
	sent := f.values[0]
	f.values = f.values[1:]
	v, ok := template.ValueType(t).JSON(sent, f.now)
	if !ok || sent == "" && t != String {
		if f.err == nil {
			f.err = smartrest.NewError(smartrest.CodeArgument, "", "Value is not a "+string(t)+": "+sent)
		}
		return ""
	}
	return template.Text(v)
}
