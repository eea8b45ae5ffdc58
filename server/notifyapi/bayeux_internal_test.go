package notifyapi

import (
	"encoding/json"
	"testing"
)

func FuzzParseMessages(f *testing.F) {
	for _, s := range []string{`[{"channel":"/meta/handshake","version":"1.0","id":"1","supportedConnectionTypes":["websocket"],"ext":{"ack":true,"com.cumulocity.authn":{"token":"dDE="}},"advice":{"timeout":60000,"interval":0}}]`,
		`{"channel":"/meta/subscribe","clientId":"a","subscription":["/alarms/*","/events/1"]}`, `[{"channel":"/meta/connect","advice":{"timeout":-1e300},"id":{"a":[1]}}]`,
		`[{"channel":"/meta/subscribe","subscription":7}]`, `[null]`, `[]`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := parseMessages(body)
		if err != nil {
			return
		}
		for i := range list {
			m := &list[i]
			for _, path := range []string{pathRealtime, pathAgents} {
				names, _ := m.channels()
				for _, text := range names {
					if c, ok := parseChannel(path, text); ok && c.Source < 0 {
						t.Errorf("%q is of %d", text, c.Source)
					}
				}
			}
			m.batch()
			text := join([][]byte{m.answer().fail("x").encode()})
			var answers []reply
			if err := json.Unmarshal(text, &answers); err != nil || len(answers) != 1 || answers[0].Channel == "/meta/unknown" {
				t.Errorf("%s is answered by %s: %v", body, text, err)
			}
		}
	})
}
