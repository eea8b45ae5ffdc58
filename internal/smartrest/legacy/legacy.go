// Package legacy knows SmartREST 1.0 (mqtt.md §6.5 and the vendor's protocol
// reference): how a collection of templates is written, in lines and as JSON in the
// inventory, how a request template and the values of a line make a REST call, and
// how response templates make lines of what REST answers.
//
// It carries nothing out and keeps nothing: a Collection is a value that nobody
// changes once it is made. Errors are *smartrest.Error with an empty template ID:
// who knows the number of the line writes it there.
package legacy

import (
	"strconv"

	"mooring/internal/smartrest"
	"mooring/internal/smartrest/template"
)

// The names under which a collection lies in the inventory, where real clients
// look for it (thin-edge.io's tests, Telekom's SDK). The type of the object is the
// X-ID.
const (
	ExternalIDType = "c8y_SmartRestDeviceIdentifier"
	Fragment       = "com_cumulocity_model_smartrest_SmartRestTemplate"
)

// Message IDs that are built in.
const (
	MessageRequest     = "10" // defines a request template
	MessageResponse    = "11" // defines a response template
	MessageXID         = "15" // says which collection the lines after it mean
	MessageBootstrap   = "61" // asks for the credentials of a device
	MessageFound       = "20"
	MessageNotFound    = "40"
	MessageCredentials = "70"
	MessageOf          = "87" // says of which collection the lines after it are
)

// Bounds of a collection; ours.
const (
	MaxTemplates     = template.MaxTemplates
	MaxParams        = 256
	MaxPatterns      = template.MaxPatterns
	MaxDocumentBytes = template.MaxDocumentBytes
)

// Collection is the templates behind one X-ID.
type Collection struct {
	Requests  []Request
	Responses []Response
}

// Request is a request template.
type Request struct {
	MessageID   string
	Method      string
	URI         string
	ContentType string
	Accept      string
	// Placeholder stands in URI and Template for each of Params, in order. No
	// Params: all are texts.
	Placeholder string
	Params      []ParamType
	Template    string

	uri, body []piece
	slots     []ParamType // of all placeholders
}

// Response is a response template.
type Response struct {
	MessageID       string
	Base, Condition string
	Patterns        []string

	base      template.Path
	condition *template.Path // nil: none
	patterns  []template.Path
}

// Request finds a request template.
func (c *Collection) Request(messageID string) (*Request, bool) {
	for i := range c.Requests {
		if c.Requests[i].MessageID == messageID {
			return &c.Requests[i], true
		}
	}
	return nil, false
}

// Line writes a line of an answer.
func Line(messageID string, number int, values ...string) []byte {
	line := smartrest.AppendLegacyLine(nil, messageID, strconv.Itoa(number))
	for _, v := range values {
		line = smartrest.AppendLegacyLine(append(line, ','), v)
	}
	return line
}

// ErrorLine writes the line that tells of an error; number is 0 if it is of no line.
func ErrorLine(number int, e *smartrest.Error) []byte {
	where := ""
	if number > 0 {
		where = strconv.Itoa(number)
	}
	return smartrest.AppendLegacyLine(nil, strconv.Itoa(int(e.Code)), where, e.Text)
}

func refuse(text string) error { return smartrest.NewError(smartrest.CodeConflict, "", text) }
