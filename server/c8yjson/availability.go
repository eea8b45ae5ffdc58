package c8yjson

import (
	"strconv"
	"time"

	"mooring/server/platform"
)

// Availability writes when a device was heard of last (rest.md §6.1). The vendor's
// Python client wants all six members, so that one that is not known is null, and
// an interval in words, "10 minutes". The external ID is the serial number.
func Availability(w *Writer, id platform.ID, xids []platform.ExternalID, p platform.Presence) {
	w.Open('{')
	w.ID("deviceId", id)
	serial := ""
	for _, x := range xids {
		if x.Type == platform.SerialType {
			serial = x.Value
			break
		}
	}
	textOrNull(w, "externalId", serial)
	if p.LastMessage.IsZero() {
		textOrNull(w, "lastMessage", "")
	} else {
		w.Time("lastMessage", p.LastMessage)
	}
	interval := ""
	if p.Monitored {
		interval = strconv.Itoa(int(p.Interval/time.Minute)) + " minutes"
	}
	textOrNull(w, "interval", interval)
	textOrNull(w, "dataStatus", string(p.Data))
	textOrNull(w, "connectionStatus", string(p.Connection))
	w.Close('}')
}

func textOrNull(w *Writer, name, text string) {
	if text != "" {
		w.Text(name, text)
		return
	}
	w.Key(name)
	w.Raw(nil)
}
