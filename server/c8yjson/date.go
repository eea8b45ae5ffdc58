package c8yjson

import (
	"strings"
	"time"

	"mooring/internal/problem"
)

// maxDateBytes bounds a date: "2020-02-18T13:13:00.123456789+02:00" has 35.
const maxDateBytes = 40

// AppendTime appends t as the platform writes dates, in UTC with exactly three
// digits of a second: "2020-02-18T13:13:00.000Z" (rest.md §0.6).
func AppendTime(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
}

// FormatTime is AppendTime as text.
func FormatTime(t time.Time) string { return string(AppendTime(nil, t)) }

// ParseTime reads an ISO 8601 instant with its zone: "Z", "+02:00", "+0200" or
// "+02", with or without seconds and their fraction; without a zone, which some
// clients leave out, it is UTC. The result is UTC, cut to milliseconds. Anything
// else is problem.Unprocessable.
func ParseTime(s string) (time.Time, error) {
	if t, ok := parseInstant(s); ok {
		return t, nil
	}
	if t, ok := parseInstant(s + "Z"); ok {
		return t, nil
	}
	return time.Time{}, badDate(s)
}

// ParseQueryTime reads a date of a query: what ParseTime reads, a bare date
// (midnight UTC), an instant without zone (UTC), and a space where a script
// forgot to encode the "+" of the zone.
func ParseQueryTime(s string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day, nil
	}
	if len(s) <= maxDateBytes {
		if i := strings.LastIndexByte(s, ' '); i > len("2006-01-02T") {
			s = s[:i] + "+" + s[i+1:]
		}
	}
	if t, ok := parseInstant(s); ok {
		return t, nil
	}
	if t, ok := parseInstant(s + "Z"); ok {
		return t, nil
	}
	return time.Time{}, badDate(s)
}

func badDate(s string) error {
	if len(s) > maxDateBytes {
		s = strings.ToValidUTF8(s[:maxDateBytes], "")
	}
	return problem.WithCode(problem.Unprocessable, "undefined/validationError", "Invalid date: "+s, nil)
}

// dateTime are the instants without zone; Go accepts a fraction after the
// seconds by itself.
var dateTime = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05"}

// zones are the ways to write an offset, longest first.
var zones = []string{"Z07:00", "Z0700", "Z07"}

func parseInstant(s string) (time.Time, bool) {
	if len(s) < len("2006-01-02T15:04Z") || len(s) > maxDateBytes {
		return time.Time{}, false
	}
	for _, d := range dateTime {
		for _, z := range zones {
			if t, err := time.Parse(d+z, s); err == nil {
				t = t.UTC().Truncate(time.Millisecond)
				return t, t.Year() >= 1 && t.Year() <= 9999
			}
		}
	}
	return time.Time{}, false
}
