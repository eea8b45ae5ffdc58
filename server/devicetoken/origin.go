package devicetoken

import (
	"encoding/base64"
	"math/big"

	"mooring/internal/pki"
	"mooring/server/platform"
)

// maxOriginBytes bounds what a token says of the certificate it was given for:
// the issuer's key and the serials of leaf and issuers, as many as there is room
// for. One leaf takes 33 bytes, and clients keep tokens in small buffers.
const maxOriginBytes = 16 + 3*(1+20)

// encodeOrigin writes o as text, empty for nil. In bytes: the key of the anchor,
// 16; then each serial, big endian, with its length, 1, in front.
func encodeOrigin(o *platform.Origin) string {
	if o == nil {
		return ""
	}
	b := append([]byte(nil), o.AnchorKey[:]...)
	for _, s := range o.Serials {
		n, err := pki.ParseSerialHex(s)
		if err != nil || len(b)+1+len(n.Bytes()) > maxOriginBytes {
			break
		}
		b = append(append(b, byte(len(n.Bytes()))), n.Bytes()...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// decodeOrigin reads what encodeOrigin wrote; the signature of the token vouches
// for it. ok is false for anything else.
func decodeOrigin(text string) (o *platform.Origin, ok bool) {
	if text == "" {
		return nil, true // a token of before this was written into them
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 16 || len(b) > maxOriginBytes {
		return nil, false
	}
	o = &platform.Origin{AnchorKey: [16]byte(b[:16])}
	for b = b[16:]; len(b) > 0; {
		n := int(b[0])
		if len(b) < 1+n {
			return nil, false
		}
		o.Serials = append(o.Serials, pki.SerialHex(new(big.Int).SetBytes(b[1:1+n])))
		b = b[1+n:]
	}
	return o, true
}
