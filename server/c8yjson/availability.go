package c8yjson

import (
	"encoding/json"

	"mooring/server/platform"
)

// Availability is what an object tells of when its device was heard of last
// (rest.md §6.1). Members that are not known are empty.
type Availability struct {
	LastMessage string // a date, as it is kept
	DataStatus  string // AVAILABLE, UNAVAILABLE or MAINTENANCE
	Connection  string // CONNECTED, DISCONNECTED or MAINTENANCE
	Interval    json.Number
}

// ParseAvailability reads the fragments; monitored is false if there are none.
func ParseAvailability(f platform.Fragments) (a Availability, monitored bool) {
	var availability struct {
		Status, LastMessage string
	}
	var connection struct{ Status string }
	var required struct{ ResponseInterval json.Number }
	for name, into := range map[string]any{"c8y_Availability": &availability, "c8y_Connection": &connection,
		platform.FragmentRequiredAvailability: &required} {
		if value, ok := f[name]; ok {
			monitored = true
			_ = json.Unmarshal(value, into) // what clients wrote there in another form says nothing
		}
	}
	if _, err := ParseTime(availability.LastMessage); err != nil {
		availability.LastMessage = ""
	}
	if _, err := required.ResponseInterval.Int64(); err != nil {
		required.ResponseInterval = ""
	}
	return Availability{availability.LastMessage, availability.Status, connection.Status, required.ResponseInterval}, monitored
}

// WriteAvailability writes the availability of a device; its external ID is the
// serial number, if it has one.
func WriteAvailability(w *Writer, id platform.ID, xids []platform.ExternalID, a Availability) {
	w.Open('{')
	w.ID("deviceId", id)
	for _, x := range xids {
		if x.Type == platform.SerialType {
			w.Text("externalId", x.Value)
			break
		}
	}
	w.TextIf("lastMessage", a.LastMessage)
	if a.Interval != "" {
		w.Key("interval")
		w.Raw(json.RawMessage(a.Interval))
	}
	w.TextIf("dataStatus", a.DataStatus)
	w.TextIf("connectionStatus", a.Connection)
	w.Close('}')
}
