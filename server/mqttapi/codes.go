package mqttapi

import (
	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/server/platform"
)

// CONNACK codes of MQTT 3.1.1.
const (
	connAccepted       = 0
	connBadProtocol    = 1
	connBadClientID    = 2
	connUnavailable    = 3
	connBadCredentials = 4
	connNotAuthorized  = 5
)

// connCode is the CONNACK code of a refusal (mqtt.md §1.8). Everything about
// certificates is 5; 4 is for a wrong user or password only.
func connCode(r platform.Reason) byte {
	switch r {
	case platform.Accepted:
		return connAccepted
	case platform.ReasonProtocol:
		return connBadProtocol
	case platform.ReasonBadClientID:
		return connBadClientID
	case platform.ReasonInternal:
		return connUnavailable
	case platform.ReasonBadCredentials:
		return connBadCredentials
	}
	return connNotAuthorized
}

// lineAnswer is what a line gets that a service refused.
type lineAnswer struct {
	code smartrest.Code
	// retry: it is no fault of the line. The publish is not acknowledged and the
	// connection closed, so that the client sends it again.
	retry bool
}

// lineAnswers is the table kind → answer on s/e (mqtt.md §3.2).
var lineAnswers = map[problem.Kind]lineAnswer{
	problem.Invalid:          {code: smartrest.CodeArgument},
	problem.Unprocessable:    {code: smartrest.CodeServer},
	problem.Unauthenticated:  {code: smartrest.CodeServer},
	problem.Forbidden:        {code: smartrest.CodeServer},
	problem.NotFound:         {code: smartrest.CodeServer},
	problem.MethodNotAllowed: {code: smartrest.CodeServer},
	problem.Conflict:         {code: smartrest.CodeConflict},
	problem.TooLarge:         {code: smartrest.CodeServer},
	problem.TooMany:          {code: smartrest.CodeServer, retry: true},
	problem.Pending:          {code: smartrest.CodeServer, retry: true},
	problem.Unavailable:      {code: smartrest.CodeServer, retry: true},
	problem.Internal:         {code: smartrest.CodeServer, retry: true},
}

// answerTo returns the s/e line for err, or retry.
func answerTo(templateID string, err error) (e *smartrest.Error, retry bool) {
	if e, ok := asLineError(err); ok {
		return e, false
	}
	kind := problem.KindOf(err)
	a := lineAnswers[kind]
	if a.retry {
		return nil, true
	}
	return smartrest.NewError(a.code, templateID, detail(err)), false
}
