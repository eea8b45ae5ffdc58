package mqttapi

import (
	"errors"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
)

// textInternal is what a peer is told of an error that is none of its business.
const textInternal = "Server error"

// detail is the public text of err.
func detail(err error) string {
	p, ok := errors.AsType[*problem.Error](err)
	switch {
	case ok && p.Kind != problem.Internal && p.Detail != "":
		return p.Detail
	case ok && p.Kind != problem.Internal:
		return string(p.Kind)
	}
	return textInternal
}

// asLineError finds an error that knows its own line.
func asLineError(err error) (*smartrest.Error, bool) { return errors.AsType[*smartrest.Error](err) }
