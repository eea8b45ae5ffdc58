package telemetry

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// Aggregate is what one series has in one interval. Min and Max are numbers as
// they were sent.
type Aggregate struct {
	Min, Max json.RawMessage

	min, max float64
	count    int64
	sum      float64
	mean, m2 float64 // Welford: the sum of squared distances from the mean
}

// add takes in a number; one that no float64 can hold is left out.
func (a *Aggregate) add(number []byte) {
	v, err := strconv.ParseFloat(string(number), 64)
	if err != nil {
		return
	}
	if a.count == 0 || v < a.min {
		a.min, a.Min = v, number
	}
	if a.count == 0 || v > a.max {
		a.max, a.Max = v, number
	}
	a.count++
	a.sum += v
	d := v - a.mean
	a.mean += d / float64(a.count)
	a.m2 += d * (v - a.mean)
}

// aggregateFunctions by their names in a query.
var aggregateFunctions = map[string]func(*Aggregate) json.RawMessage{
	"min":        func(a *Aggregate) json.RawMessage { return decimal(a.Min) },
	"max":        func(a *Aggregate) json.RawMessage { return decimal(a.Max) },
	"avg":        func(a *Aggregate) json.RawMessage { return number(a.mean) },
	"sum":        func(a *Aggregate) json.RawMessage { return number(a.sum) },
	"count":      func(a *Aggregate) json.RawMessage { return decimal(strconv.AppendInt(nil, a.count, 10)) },
	"stdDevPop":  func(a *Aggregate) json.RawMessage { return a.deviation(a.count) },
	"stdDevSamp": func(a *Aggregate) json.RawMessage { return a.deviation(a.count - 1) },
}

// IsFunction tells whether a name is that of an aggregate function.
func IsFunction(name string) bool { return aggregateFunctions[name] != nil }

// Apply gives the result of a function as JSON; nil if there is none.
func (a *Aggregate) Apply(function string) json.RawMessage {
	if a.count == 0 {
		return nil
	}
	return aggregateFunctions[function](a)
}

func (a *Aggregate) deviation(n int64) json.RawMessage {
	if n <= 0 {
		return nil
	}
	return number(math.Sqrt(a.m2 / float64(n)))
}

// decimal writes a number as one with a fraction, "119.0", so that clients whose
// languages tell integers from decimals always get the same type.
func decimal(n json.RawMessage) json.RawMessage {
	if bytes.ContainsAny(n, ".eE") {
		return n
	}
	return append(bytes.Clone(n), '.', '0')
}

func number(v float64) json.RawMessage {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	b, _ := json.Marshal(v) // a finite number always marshals
	return decimal(b)
}
