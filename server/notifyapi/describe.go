package notifyapi

import (
	"net/http"

	"mooring/server/openapi"
)

// Calls describes what is served; its shapes are those of the REST API.
func Calls() []openapi.Call {
	const messages = "bayeuxMessages"
	return []openapi.Call{
		{Method: http.MethodPost, Path: pathRealtime, TextErrors: true, Text: openapi.Text{Status: http.StatusOK, Takes: messages, Gives: messages,
			Does: "Exchange Bayeux 1.0 messages; a WebSocket upgrade of the same path does so too"}},
		{Method: http.MethodPost, Path: pathAgents, TextErrors: true, Text: openapi.Text{Status: http.StatusOK, Takes: messages, Gives: messages,
			Does: "Exchange Bayeux 1.0 messages as an agent that waits for operations"}},
		{Method: http.MethodGet, Path: pathConsumer, TextErrors: true, Open: true, Text: openapi.Text{Status: http.StatusSwitchingProtocols,
			Query: "token, consumer", Does: "Connect as a consumer of Notification 2.0, by WebSocket", Also: "401 404 409"}},
	}
}
