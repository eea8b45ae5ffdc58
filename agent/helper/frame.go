package helper

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The frames of the socket.
//
//	byte 0    kind
//	byte 1–3  length of what follows, big endian, at most 64 KiB
//
//	agent → helper  request (JSON), then, if told to go on, for each file: data …, end
//	helper → agent  go on | data … | result (JSON), which ends the connection
const (
	kindRequest byte = 'Q'
	kindData    byte = 'D'
	kindEnd     byte = 'E'
	kindGo      byte = 'G'
	kindResult  byte = 'R'

	headerLength = 4
	maxFrame     = 64 << 10
)

var (
	errFrame   = errors.New("not a frame of the helper's protocol")
	errTooLong = fmt.Errorf("the request is longer than %d bytes", maxFrame)
)

func writeFrame(w io.Writer, kind byte, payload []byte) error {
	if len(payload) > maxFrame {
		return errTooLong
	}
	frame := make([]byte, headerLength, headerLength+len(payload))
	binary.BigEndian.PutUint32(frame, uint32(len(payload)))
	frame[0] = kind
	_, err := w.Write(append(frame, payload...))
	return err
}

// readFrame reads one frame. The payload is the caller's.
func readFrame(r io.Reader) (kind byte, payload []byte, err error) {
	var header [headerLength]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	n := int(header[1])<<16 | int(header[2])<<8 | int(header[3])
	if n > maxFrame || !strings.ContainsRune("QDEGR", rune(header[0])) {
		return 0, nil, errFrame
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	return header[0], payload, nil
}

// writeJSON leaves < and > as they are: six bytes for one would not fit a frame.
func writeJSON(w io.Writer, kind byte, v any) error {
	var payload bytes.Buffer
	e := json.NewEncoder(&payload)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	return writeFrame(w, kind, payload.Bytes())
}

// dataWriter cuts what is written into frames of data.
type dataWriter struct{ w io.Writer }

func (d dataWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		n := min(len(p), maxFrame)
		if err := writeFrame(d.w, kindData, p[:n]); err != nil {
			return written, err
		}
		written += n
		p = p[n:]
	}
	return written, nil
}

// copyData copies one file's frames to w, at most limit bytes. The rest of a
// file that is too long is not read: the connection is of no use then.
func copyData(w io.Writer, r io.Reader, limit int64) error {
	for total := int64(0); ; {
		kind, payload, err := readFrame(r)
		switch {
		case err != nil:
			return err
		case kind == kindEnd:
			return nil
		case kind != kindData:
			return errFrame
		}
		if total += int64(len(payload)); total > limit {
			return fmt.Errorf("longer than %d bytes", limit)
		}
		if _, err := w.Write(payload); err != nil {
			return err
		}
	}
}
