package cms

import (
	"errors"
	"fmt"
)

// maxDepth bounds how deeply objects nest. A certificate in SignedData reaches
// about 12 levels.
const maxDepth = 32

// maxObjects bounds the objects of one message. 64 KiB of real certificates
// hold a tenth of it.
const maxObjects = 16 << 10

var (
	errTruncated = errors.New("object is cut off")
	errDepth     = errors.New("objects nest too deeply")
	errCount     = errors.New("too many objects")
	errTrailing  = errors.New("bytes follow the object")
	errLength    = errors.New("length cannot be read")
	errTag       = errors.New("tag cannot be read")
)

// reader copies BER with definite, shortest lengths in one pass over the input.
// What was DER before, as every certificate is, comes out byte for byte.
type reader struct {
	objects int
}

// toDER rewrites the one object of ber with definite, shortest lengths. It does
// not sort sets and does not join constructed strings: certs-only objects have
// neither.
func toDER(ber []byte) ([]byte, error) {
	r := &reader{}
	out, rest, err := r.object(ber, 0)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, errTrailing
	}
	return out, nil
}

// object reads one object from b and returns it rewritten, and what follows.
func (r *reader) object(b []byte, depth int) (out, rest []byte, err error) {
	if depth > maxDepth {
		return nil, nil, errDepth
	}
	if r.objects++; r.objects > maxObjects {
		return nil, nil, errCount
	}
	tag, b, err := readTag(b)
	if err != nil {
		return nil, nil, err
	}
	length, indefinite, b, err := readLength(b)
	if err != nil {
		return nil, nil, err
	}
	constructed := tag[0]&0x20 != 0
	if indefinite {
		if !constructed {
			return nil, nil, errLength
		}
		content, rest, err := r.untilEnd(b, depth)
		return encode(tag, content), rest, err
	}
	if length > len(b) {
		return nil, nil, errTruncated
	}
	content, rest := b[:length], b[length:]
	if constructed {
		if content, err = r.all(content, depth); err != nil {
			return nil, nil, err
		}
	}
	return encode(tag, content), rest, nil
}

// all rewrites the objects that fill b.
func (r *reader) all(b []byte, depth int) ([]byte, error) {
	var content []byte
	for len(b) > 0 {
		object, rest, err := r.object(b, depth+1)
		if err != nil {
			return nil, err
		}
		content, b = append(content, object...), rest
	}
	return content, nil
}

// untilEnd rewrites objects up to the end-of-contents octets 00 00.
func (r *reader) untilEnd(b []byte, depth int) (content, rest []byte, err error) {
	for {
		if len(b) < 2 {
			return nil, nil, errTruncated
		}
		if b[0] == 0 && b[1] == 0 {
			return content, b[2:], nil
		}
		object, after, err := r.object(b, depth+1)
		if err != nil {
			return nil, nil, err
		}
		content, b = append(content, object...), after
	}
}

// readTag takes identifier octets of up to four bytes (X.690 §8.1.2).
func readTag(b []byte) (tag, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, errTruncated
	}
	if b[0] == 0 { // end-of-contents is no object (X.690 §8.1.5)
		return nil, nil, errTag
	}
	if b[0]&0x1f != 0x1f {
		return b[:1], b[1:], nil
	}
	for i := 1; i < 4 && i < len(b); i++ {
		if b[i]&0x80 == 0 {
			return b[:i+1], b[i+1:], nil
		}
	}
	return nil, nil, errTag
}

// readLength takes length octets (X.690 §8.1.3) of up to four bytes.
func readLength(b []byte) (length int, indefinite bool, rest []byte, err error) {
	if len(b) == 0 {
		return 0, false, nil, errTruncated
	}
	first, b := b[0], b[1:]
	switch {
	case first < 0x80:
		return int(first), false, b, nil
	case first == 0x80:
		return 0, true, b, nil
	}
	n := int(first & 0x7f)
	if n > 4 {
		return 0, false, nil, errLength
	}
	if n > len(b) {
		return 0, false, nil, errTruncated
	}
	for _, c := range b[:n] {
		length = length<<8 | int(c)
		if length > MaxBytes {
			return 0, false, nil, fmt.Errorf("%w: above %d", errLength, MaxBytes)
		}
	}
	return length, false, b[n:], nil
}

// encode writes tag, shortest definite length and content.
func encode(tag, content []byte) []byte {
	n := len(content)
	out := make([]byte, 0, len(tag)+4+n)
	out = append(out, tag...)
	switch {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	case n < 0x10000:
		out = append(out, 0x82, byte(n>>8), byte(n))
	default:
		out = append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, content...)
}
