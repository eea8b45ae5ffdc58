package doctor

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"mooring/internal/bounded"
)

// Version is that of the Report as JSON. Fields are added, never changed.
const Version = 1

// maxDetail bounds foreign text in a finding, in bytes.
const maxDetail = 300

// Report is everything that was found.
type Report struct {
	Version  int       `json:"version"`
	Time     time.Time `json:"time"` // by the clock of this device
	Device   string    `json:"device"`
	Server   string    `json:"server"`
	Verdict  Level     `json:"verdict"` // ok, warning, error
	Fault    *Finding  `json:"fault"`   // the one that explains the others; null if there is none
	Findings []Finding `json:"findings"`
}

// Finding is what came of one examination.
type Finding struct {
	Check  string `json:"check"` // "tcp mqtts": what was examined
	Level  Level  `json:"level"`
	Code   Code   `json:"code,omitempty"`
	Layer  layer  `json:"layer,omitempty"`
	Cause  string `json:"cause,omitempty"`
	Detail string `json:"detail,omitempty"`
	Advice string `json:"advice,omitempty"`
}

// The exit status (design §4).
const (
	statusDone   = 0
	statusFailed = 1
	statusUsage  = 2
	statusLater  = 75
)

// ExitStatus is 0 if nothing is wrong, and else what the fault says: 2 if it is
// the configuration, 75 if it may be gone later, 1 if somebody must act.
func (r Report) ExitStatus() int {
	if r.Fault == nil {
		return statusDone
	}
	switch e, _ := Lookup(r.Fault.Code); {
	case e.Layer == inConfig:
		return statusUsage
	case e.Later:
		return statusLater
	}
	return statusFailed
}

// conclude finds the fault that explains the others: the first error in the
// lowest layer.
func (r *Report) conclude() {
	r.Verdict = OK
	best := len(layers)
	for i, f := range r.Findings {
		switch rank := slices.Index(layers, f.Layer); {
		case f.Level == Error && rank < best:
			best, r.Fault, r.Verdict = rank, &r.Findings[i], Error
		case f.Level == Warning && r.Verdict == OK:
			r.Verdict = Warning
		}
	}
}

// Write prints the report for a person.
func (r Report) Write(w io.Writer) {
	for _, f := range r.Findings {
		line := fmt.Sprintf("%-8s %-4s %-16s", f.Level, f.Code, f.Check)
		text := f.Cause
		if f.Detail != "" {
			if text != "" {
				text += ": "
			}
			text += f.Detail
		}
		fmt.Fprintln(w, strings.TrimRight(line+" "+text, " "))
		if f.Advice != "" {
			fmt.Fprintf(w, "%14sdo: %s\n", "", f.Advice)
		}
	}
	switch {
	case r.Fault != nil:
		fmt.Fprintf(w, "\n%s, in the layer %q: %s\n", r.Fault.Code, r.Fault.Layer, r.Fault.Cause)
	case r.Verdict == Warning:
		fmt.Fprintln(w, "\nit works; see the warnings")
	default:
		fmt.Fprintln(w, "\nall is well")
	}
}

// cut bounds foreign text to one line.
func cut(s string) string {
	line := bounded.OneLine(s)
	if text := bounded.Text(line, maxDetail); text != line {
		return text + "…"
	}
	return line
}
