package smartrest

import (
	"strconv"
	"strings"

	"mooring/internal/bounded"
)

// Code is the leading number of an error line on s/e. The conventions are those
// of SmartREST 1.0; 40, 41 and 50 have been seen on a real platform.
type Code int

// The codes.
const (
	CodeFound       Code = 20 // template collection found or created (on s/dt)
	CodeNoTemplate  Code = 40 // unknown template ID
	CodeConflict    Code = 41 // business conflict, as "already existing"
	CodeMalformed   Code = 42 // the line is not CSV
	CodeNoMessageID Code = 43 // the first value is missing or not an ID
	CodeArgument    Code = 45 // a mandatory value is missing, or one has the wrong type
	CodeServer      Code = 50 // the platform refused
)

// Texts that old clients compare (thin-edge.io before 2026 reads the first as
// "device created").
const (
	TextDeviceExists  = "Device already existing"
	TextNoTemplate    = "No static template for this message id"
	TextTokenRefused  = "MqttAuth: Cannot publish token for device that do not use certificate authentication"
	TextCreationRace  = "Error on device creation, message: Error on identity creation"
	maxErrorTextBytes = 512 // ours; a text is for a developer's eye
)

// Error is what a line on s/e says.
type Error struct {
	Code       Code
	TemplateID string // may be empty
	Text       string
}

// NewError returns an Error.
func NewError(code Code, templateID, text string) *Error {
	return &Error{Code: code, TemplateID: templateID, Text: text}
}

// Error gives the line as it goes out.
func (e *Error) Error() string { return string(AppendErrorLine(nil, e.Code, e.TemplateID, e.Text)) }

// Is makes errors.Is compare by code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.TemplateID == "" || t.TemplateID == e.TemplateID)
}

// AppendErrorLine appends "<code>,<templateID>,<text>" to dst. The text is not
// quoted even when it has commas; what would end the line becomes a blank, and
// a text above 512 bytes is cut between runes.
func AppendErrorLine(dst []byte, code Code, templateID, text string) []byte {
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = append(dst, ',')
	dst = append(dst, oneLine(bounded.Text(templateID, MaxTemplateID))...)
	dst = append(dst, ',')
	return append(dst, oneLine(bounded.Text(text, maxErrorTextBytes))...)
}

func oneLine(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	return strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ").Replace(s)
}
