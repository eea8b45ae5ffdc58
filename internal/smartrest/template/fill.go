package template

import (
	"time"

	"mooring/internal/smartrest"
)

// Call is a request that a device has made by a template.
type Call struct {
	Method   Method
	API      API
	Response bool
	// ByID and ID, or the external ID of ExternalIDType and ID, name the object of
	// GET and PUT INVENTORY and the new one of POST; there an empty ID is none.
	ByID           bool
	ExternalIDType string
	ID             string
	// Type is the type of the alarm, or the fragment of the operation, to be changed.
	Type string
	Body map[string]any // of POST and PUT; numbers are json.Number
}

// Fill makes the call of values, which are the fields of a line after its message
// ID. Values beyond the last are ignored.
//
// The error is a *smartrest.Error with the template's message ID.
func (r *Request) Fill(values []string, now time.Time) (Call, error) {
	f := filler{request: r, values: values, now: now}
	c := Call{Method: r.Method, API: r.API, Response: r.Response}
	if r.API == Inventory {
		c.ByID, c.ExternalIDType = r.ByID, r.ExternalIDType
		f.name(&c)
	}
	if r.Method != Get {
		c.Body = map[string]any{}
	}
	for _, v := range r.Mandatory {
		f.set(&c, v, true)
	}
	for _, v := range r.Custom {
		f.set(&c, v, false)
	}
	if f.err != nil {
		return Call{}, f.err
	}
	if r.Method == Put && r.API != Inventory {
		c.Type, _ = c.Body["type"].(string)
		delete(c.Body, "type")
	}
	return c, nil
}

// filler takes one value of the device after the other. The first problem is kept.
type filler struct {
	request *Request
	values  []string
	now     time.Time
	err     error
}

func (f *filler) next() string {
	if len(f.values) == 0 {
		return ""
	}
	v := f.values[0]
	f.values = f.values[1:]
	return v
}

func (f *filler) fail(text string) {
	if f.err == nil {
		f.err = smartrest.NewError(smartrest.CodeArgument, f.request.MessageID, text)
	}
}

// name reads whose object it is: GET and PUT take the type of the external ID
// before its value, POST after it.
func (f *filler) name(c *Call) {
	post := f.request.Method == Post
	if post {
		c.ID = f.next()
	}
	if !c.ByID && c.ExternalIDType == "" {
		c.ExternalIDType = f.next()
	}
	if post {
		c.ByID = false
	} else {
		c.ID = f.next()
	}
	switch {
	case c.ID == "" && !post:
		f.fail("Wrong number of arguments: the ID is missing")
	case c.ID != "" && !c.ByID && c.ExternalIDType == "":
		f.fail("Wrong number of arguments: the type of the external ID is missing")
	}
}

// set puts one value into the body.
func (f *filler) set(c *Call, v Value, mandatory bool) {
	sent := v.Fixed
	if sent == "" && v.Type != Flag {
		sent = f.next()
	}
	if sent == "" && mandatory && v.Type == String {
		f.fail("Wrong number of arguments: " + v.Path.String() + " is missing")
		return
	}
	value, ok := v.Type.JSON(sent, f.now)
	if !ok {
		f.fail("Value is not a " + string(v.Type) + ": " + sent)
		return
	}
	if !v.Path.Set(c.Body, value) {
		f.fail("Invalid JsonPath " + v.Path.String())
	}
}
