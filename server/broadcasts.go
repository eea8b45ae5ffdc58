package server

import (
	"context"
	"strings"

	"mooring/server/platform"
)

// tellsMQTT begins what MQTT front ends of several nodes tell each other; all else
// is of the notifications.
const tellsMQTT = "mqtt:"

// broadcasts sorts what nodes tell each other, so that one connection to the
// database does for all.
type broadcasts struct {
	platform.Broadcasts
	mqtt func(text string)
}

// FollowBroadcasts implements platform.Broadcasts for the notifications.
func (b *broadcasts) FollowBroadcasts(ctx context.Context, ready func(), hear func(text string)) error {
	return b.Broadcasts.FollowBroadcasts(ctx, ready, func(text string) {
		if rest, ok := strings.CutPrefix(text, tellsMQTT); ok {
			b.mqtt(rest)
			return
		}
		hear(text)
	})
}

// tellMQTT is for mqttapi.Config.Tell.
func (b *broadcasts) tellMQTT(ctx context.Context, text string) error {
	return b.Broadcast(ctx, tellsMQTT+text)
}
