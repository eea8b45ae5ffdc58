package notifyapi

import (
	"bytes"
	"encoding/json"

	"mooring/internal/problem"
)

// Bounds of what a Bayeux client sends at once; ours.
const (
	maxPostBytes     = 256 << 10
	maxPostMessages  = 256
	maxSubscriptions = 1000 // of one message, and of one session
	maxNameBytes     = 1024 // channels, client IDs, message IDs
)

// Meta channels (Bayeux 1.0 §5).
const (
	metaHandshake   = "/meta/handshake"
	metaConnect     = "/meta/connect"
	metaSubscribe   = "/meta/subscribe"
	metaUnsubscribe = "/meta/unsubscribe"
	metaDisconnect  = "/meta/disconnect"
)

// message is one that a client sent.
type message struct {
	Channel        string          `json:"channel"`
	ID             json.RawMessage `json:"id"` // echoed as it is
	ClientID       string          `json:"clientId"`
	ConnectionType string          `json:"connectionType"`
	Subscription   json.RawMessage `json:"subscription"` // one channel or several
	Advice         struct {
		Timeout *float64 `json:"timeout"` // milliseconds
	} `json:"advice"`
	Ext struct {
		Ack   json.RawMessage `json:"ack"` // true in a handshake, else the last batch received
		Authn struct {
			Token     string `json:"token"` // base64 of tenant/user:password, or a JWT
			XSRFToken string `json:"xsrfToken"`
		} `json:"com.cumulocity.authn"`
	} `json:"ext"`
}

// parseMessages reads one message or a list of them; problem.Invalid if that is
// not what they are.
func parseMessages(body []byte) ([]message, error) {
	bad := func(cause error) error {
		return problem.New(problem.Invalid, "The body must be a list of up to 256 Bayeux messages.", cause)
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 || len(body) > maxPostBytes {
		return nil, bad(nil)
	}
	var list []message
	if body[0] == '{' {
		list = make([]message, 1)
		if err := json.Unmarshal(body, &list[0]); err != nil {
			return nil, bad(err)
		}
	} else if err := json.Unmarshal(body, &list); err != nil {
		return nil, bad(err)
	}
	if len(list) == 0 || len(list) > maxPostMessages {
		return nil, bad(nil)
	}
	for _, m := range list {
		if m.Channel == "" || len(m.Channel) > maxNameBytes || len(m.ClientID) > maxNameBytes || len(m.ID) > maxNameBytes {
			return nil, bad(nil)
		}
	}
	return list, nil
}

// channels are those of the subscription of m.
func (m *message) channels() ([]string, bool) {
	var one string
	if json.Unmarshal(m.Subscription, &one) == nil {
		return []string{one}, one != "" && len(one) <= maxNameBytes
	}
	var several []string
	if json.Unmarshal(m.Subscription, &several) != nil || len(several) == 0 || len(several) > maxSubscriptions {
		return nil, false
	}
	for _, c := range several {
		if c == "" || len(c) > maxNameBytes {
			return nil, false
		}
	}
	return several, true
}

// batch is the number of the last batch a client says it has.
func (m *message) batch() (n int64, ok bool) {
	return n, len(m.Ext.Ack) > 0 && json.Unmarshal(m.Ext.Ack, &n) == nil
}

// reply answers a meta message.
type reply struct {
	Channel                  string          `json:"channel"`
	ID                       json.RawMessage `json:"id,omitempty"`
	ClientID                 string          `json:"clientId,omitempty"`
	Version                  string          `json:"version,omitempty"`
	MinimumVersion           string          `json:"minimumVersion,omitempty"`
	SupportedConnectionTypes []string        `json:"supportedConnectionTypes,omitempty"`
	Subscription             json.RawMessage `json:"subscription,omitempty"`
	Successful               bool            `json:"successful"`
	Error                    string          `json:"error,omitempty"`
	Advice                   *advice         `json:"advice,omitempty"`
	Ext                      *ext            `json:"ext,omitempty"`
}

// advice tells the client what to do next; times are milliseconds.
type advice struct {
	Reconnect string `json:"reconnect"` // retry, handshake, none
	Interval  int64  `json:"interval"`
	Timeout   int64  `json:"timeout"`
}

type ext struct {
	Ack any `json:"ack"` // true, or the number of the batch
}

// answer begins the reply to m.
func (m *message) answer() reply {
	r := reply{Channel: m.Channel, ID: m.ID, ClientID: m.ClientID}
	if m.Channel == metaSubscribe || m.Channel == metaUnsubscribe {
		r.Subscription = m.Subscription
	}
	return r
}

func (r reply) fail(text string) reply {
	r.Error = text
	return r
}

func (r reply) encode() []byte {
	text, err := json.Marshal(r)
	if err != nil { // an ID that was read is written again
		return []byte(`{"channel":"/meta/unknown","successful":false}`)
	}
	return text
}

// join writes messages as one list.
func join(messages [][]byte) []byte {
	return append(append([]byte{'['}, bytes.Join(messages, []byte{','})...), ']')
}
