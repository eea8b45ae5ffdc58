package telemetry

import (
	"time"

	"mooring/internal/problem"
)

// Interval is how long one aggregate of a series is: Count of Unit, which is
// one of s m h d w M q y. The zero value aggregates nothing.
type Interval struct {
	Count int
	Unit  byte
}

// maxIntervalCount is the largest count (OpenAPI, aggregationInterval).
const maxIntervalCount = 999

// aggregationTypes are the older names of intervals.
var aggregationTypes = map[string]Interval{"MINUTELY": {1, 'm'}, "HOURLY": {1, 'h'}, "DAILY": {1, 'd'}}

// ParseInterval reads "25m": a number from 1 to 999 without leading zeros, and a
// unit; or MINUTELY, HOURLY or DAILY.
func ParseInterval(s string) (Interval, error) {
	if i, ok := aggregationTypes[s]; ok {
		return i, nil
	}
	n := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9' && (n > 0 || c != '0') && i < 3:
			n = 10*n + int(c-'0')
		case i == len(s)-1 && n > 0 && n <= maxIntervalCount && isUnit(c):
			return Interval{n, c}, nil
		default:
			return Interval{}, badInterval()
		}
	}
	return Interval{}, badInterval()
}

func isUnit(c byte) bool {
	switch c {
	case 's', 'm', 'h', 'd', 'w', 'M', 'q', 'y':
		return true
	}
	return false
}

func badInterval() error {
	return problem.WithCode(problem.Unprocessable, "measurement/Invalid Data",
		"An aggregation interval is a number from 1 to 999 and one of s, m, h, d, w, M, q, y.", nil)
}

// Start is the beginning of the interval in which t lies, in UTC. Weeks begin
// on Monday; all others count from the beginning of a year.
func (i Interval) Start(t time.Time) time.Time {
	t = t.UTC()
	switch i.Unit {
	case 's':
		return i.cut(t, time.Second)
	case 'm':
		return i.cut(t, time.Minute)
	case 'h':
		return i.cut(t, time.Hour)
	case 'd':
		return i.cut(t, 24*time.Hour)
	case 'w':
		return i.cut(t, 7*24*time.Hour) // the zero time is a Monday
	case 'M':
		return i.months(t, 1)
	case 'q':
		return i.months(t, 3)
	case 'y':
		return i.months(t, 12)
	}
	return t
}

func (i Interval) cut(t time.Time, unit time.Duration) time.Time {
	return t.Truncate(time.Duration(i.Count) * unit)
}

func (i Interval) months(t time.Time, each int) time.Time {
	each *= i.Count
	month := t.Year()*12 + int(t.Month()) - 1
	month -= month % each
	return time.Date(month/12, time.Month(month%12+1), 1, 0, 0, 0, 0, time.UTC)
}
