// Package template knows the custom templates of SmartREST 2.0 (mqtt.md §6): how a
// collection is written, in lines over MQTT and as JSON in the inventory, how a
// request template and the values a device sends make a request, and how a
// response template makes a line of an object.
//
// It carries nothing out and keeps nothing: a Collection is a value that nobody
// changes once it is made.
package template

import "mooring/internal/smartrest"

// The names under which a collection lies in the inventory.
const (
	// ObjectType is the type of the managed object.
	ObjectType = "c8y_SmartRest2Template"
	// ExternalIDType is the type of its external ID, whose value is the X-ID.
	ExternalIDType = "c8y_SmartRest2DeviceIdentifier"
	// Fragment holds the templates.
	Fragment = "com_cumulocity_model_smartrest_csv_CsvSmartRestTemplate"
	// FragmentExternalID holds the X-ID again, as in exported files.
	FragmentExternalID = "__externalId"
)

// Bounds of a collection; ours. What MQTT carries in one message cannot reach
// them, a REST client could.
const (
	MaxTemplates = 1000 // requests and responses each
	MaxValues    = 256  // of one request
	MaxPatterns  = 256  // of one response
	MaxXIDBytes  = 254
	// MaxDocumentBytes bounds the fragment of a collection in the inventory, some
	// 16 times of what a device can send.
	MaxDocumentBytes = 256 << 10
)

// Method is what a request does.
type Method string

// The methods.
const (
	Get  Method = "GET"
	Post Method = "POST"
	Put  Method = "PUT"
)

// API is the part of the platform that a request goes to.
type API string

// The APIs.
const (
	Inventory   API = "INVENTORY"
	Measurement API = "MEASUREMENT"
	Event       API = "EVENT"
	Alarm       API = "ALARM"
	Operation   API = "OPERATION"
)

// allowed is the matrix of mqtt.md §6.1.
var allowed = map[API][]Method{
	Inventory: {Get, Post, Put}, Alarm: {Post, Put}, Event: {Post}, Measurement: {Post}, Operation: {Put},
}

// Collection is the templates behind one X-ID.
type Collection struct {
	Requests  []Request
	Responses []Response
}

// Request is a request template.
type Request struct {
	MessageID, Name string
	Method          Method
	API             API
	Response        bool // answered by the response templates
	ByID            bool // GET and PUT INVENTORY: by the platform's ID, not an external one
	// ExternalIDType of GET, PUT and POST INVENTORY; empty: the device sends it.
	ExternalIDType string
	Mandatory      []Value
	Custom         []Value
}

// Value is one value of a request.
type Value struct {
	Path  Path
	Type  ValueType
	Fixed string // empty: the device sends it
}

// Response is a response template.
type Response struct {
	MessageID, Name string
	Base, Condition string
	Patterns        []string

	condition *Path // nil: none
	patterns  []Path
}

// mandatory are the fields that each request begins with (mqtt.md §6.2). The type
// of PUT ALARM finds the alarm, that of PUT OPERATION is a fragment of it.
var mandatory = map[API]map[Method][]Value{
	Measurement: {Post: {text("$.type"), {Path: mustPath("$.time"), Type: Date}}},
	Event:       {Post: {text("$.type"), text("$.text"), {Path: mustPath("$.time"), Type: Date}}},
	Alarm: {
		Post: {text("$.type"), text("$.text"), {Path: mustPath("$.status"), Type: AlarmStatus},
			{Path: mustPath("$.severity"), Type: Severity}, {Path: mustPath("$.time"), Type: Date}},
		Put: {text("$.type")},
	},
	Operation: {Put: {text("$.type")}},
}

func text(path string) Value { return Value{Path: mustPath(path), Type: String} }

// Request finds a request template.
func (c *Collection) Request(messageID string) (*Request, bool) {
	for i := range c.Requests {
		if c.Requests[i].MessageID == messageID {
			return &c.Requests[i], true
		}
	}
	return nil, false
}

// check holds a collection to what is true of it as a whole.
func (c *Collection) check() error {
	if len(c.Requests) > MaxTemplates || len(c.Responses) > MaxTemplates {
		return refuse("", "More than 1000 templates")
	}
	seen := map[string]bool{}
	for _, r := range c.Requests {
		if seen[r.MessageID] {
			return refuse(r.MessageID, "Duplicate message identifiers are not allowed")
		}
		seen[r.MessageID] = true
	}
	clear(seen)
	for _, r := range c.Responses {
		if seen[r.MessageID] {
			return refuse(r.MessageID, "Duplicate message identifiers are not allowed")
		}
		seen[r.MessageID] = true
	}
	return nil
}

// refuse is the error of a template that cannot be created.
func refuse(messageID, text string) error {
	return smartrest.NewError(smartrest.CodeConflict, messageID, text)
}
