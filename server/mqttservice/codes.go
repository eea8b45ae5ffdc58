package mqttservice

import (
	"bytes"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/platform"
)

// Reason codes of MQTT 5 (§2.4) that are used here.
const (
	codeSuccess          = 0x00
	codeWithWill         = 0x04
	codeNoSubscription   = 0x11
	codeUnspecified      = 0x80
	codeMalformed        = 0x81
	codeProtocolError    = 0x82
	codeImplementation   = 0x83
	codeBadProtocol      = 0x84
	codeBadClientID      = 0x85
	codeBadCredentials   = 0x86
	codeNotAuthorized    = 0x87
	codeUnavailable      = 0x88
	codeBusy             = 0x89
	codeShuttingDown     = 0x8b
	codeBadMethod        = 0x8c
	codeTakenOver        = 0x8e
	codeBadFilter        = 0x8f
	codeBadTopic         = 0x90
	codeNoPacketID       = 0x92
	codeReceiveMaximum   = 0x93
	codeTopicAlias       = 0x94
	codeTooLarge         = 0x95
	codeQuota            = 0x97
	codeAdministrative   = 0x98
	codeRetain           = 0x9a
	codeQoS              = 0x9b
	codeShared           = 0x9e
	codeSubscriptionID   = 0xa1
	refusedFilter        = 0x80 // SUBACK of MQTT 3.1.1
	keepAliveRanOut      = 0x8d
	connAcceptedV3       = 0
	connBadProtocolV3    = 1
	connBadClientIDV3    = 2
	connUnavailableV3    = 3
	connNotAuthorizedV3  = 5
	textTooManyFilters   = "one topic filter in a SUBSCRIBE"
	textCoreTopic        = "this topic belongs to Core MQTT, which is not available on this port"
	textReservedTopic    = "topics that begin with $ are reserved"
	textTopicTooLong     = "a topic has 1 to 256 bytes"
	textRetain           = "retained messages are not supported"
	textQoS2             = "QoS 2 is not supported"
	textAlias            = "the topic alias is not known, or above the maximum"
	textTooManyRetained  = "the tenant retains as much as it may"
	textSharedNot        = "shared subscriptions are not supported"
	textSubscriptionID   = "subscription identifiers are not supported"
	textTooManySubs      = "too many subscriptions"
	textFilterNotAllowed = "the topic filter is not valid"
)

// connCode is the CONNACK code of MQTT 3.1 and 3.1.1 for one of MQTT 5. Wrong
// credentials are 5 here (mqtt.md §1.8).
func connCode(code byte) byte {
	switch code {
	case codeSuccess:
		return connAcceptedV3
	case codeBadProtocol:
		return connBadProtocolV3
	case codeBadClientID:
		return connBadClientIDV3
	case codeUnavailable, codeQuota:
		return connUnavailableV3
	}
	return connNotAuthorizedV3
}

// codeOf is the reason code of a refusal.
func codeOf(r platform.Reason) byte {
	switch r {
	case platform.Accepted:
		return codeSuccess
	case platform.ReasonProtocol:
		return codeBadProtocol
	case platform.ReasonBadClientID:
		return codeBadClientID
	case platform.ReasonInternal:
		return codeUnavailable
	case platform.ReasonBadCredentials:
		return codeBadCredentials
	}
	return codeNotAuthorized
}

// encode writes a packet in the form of the connection's version. What is built
// here can be encoded; an error would be ours.
func (c *conn) encode(pk packets.Packet) []byte {
	pk.ProtocolVersion = c.version
	var b bytes.Buffer
	switch pk.FixedHeader.Type {
	case packets.Connack:
		_ = pk.ConnackEncode(&b)
	case packets.Publish:
		pk.Mods.AllowResponseInfo = true
		_ = pk.PublishEncode(&b)
	case packets.Puback, packets.Pubrec, packets.Pubrel, packets.Pubcomp:
		_ = pk.PubackEncode(&b) // they differ in the header alone
	case packets.Suback:
		_ = pk.SubackEncode(&b)
	case packets.Unsuback:
		_ = pk.UnsubackEncode(&b)
	case packets.Disconnect:
		_ = pk.DisconnectEncode(&b)
	case packets.Pingresp:
		_ = pk.PingrespEncode(&b)
	}
	return b.Bytes()
}

func header(kind byte) packets.FixedHeader { return packets.FixedHeader{Type: kind} }
