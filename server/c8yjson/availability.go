package c8yjson

import (
	"time"

	"mooring/server/platform"
)

// Availability writes when a device was heard of last (rest.md §6.1). Members
// that are not known are left out; the external ID is the serial number.
func Availability(w *Writer, id platform.ID, xids []platform.ExternalID, p platform.Presence) {
	w.Open('{')
	w.ID("deviceId", id)
	for _, x := range xids {
		if x.Type == platform.SerialType {
			w.Text("externalId", x.Value)
			break
		}
	}
	w.TimeIf("lastMessage", p.LastMessage)
	if p.Monitored {
		w.Int("interval", int64(p.Interval/time.Minute))
	}
	w.TextIf("dataStatus", string(p.Data))
	w.TextIf("connectionStatus", string(p.Connection))
	w.Close('}')
}
