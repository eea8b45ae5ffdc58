// Package wire is what a program and its PKCS#11 helper say to each other over
// the helper's standard input and output.
//
// The program asks, the helper answers each request in turn. The first request
// is OpHello, which settles the version. The helper ends when its input ends.
//
//	stream  = *frame
//	frame   = length body      ; length: 4 bytes, big endian, of the body
//	body    = one JSON object  ; Request one way, Response the other
//
// PIN and digests travel here and nowhere else: neither in arguments nor in
// the environment, which other processes may read.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Version of the protocol. A helper that speaks another one is refused.
const Version = 3

// MaxFrame bounds a body in bytes. The longest is a list of MaxRefs keys.
const MaxFrame = 256 << 10

// MaxRefs bounds the keys of one token that are listed.
const MaxRefs = 1024

// What is asked for.
const (
	OpHello   = "hello"   // Version → Version
	OpOpen    = "open"    // Target, PIN, Spare → Token; initialises the module anew, and all above it
	OpSession = "session" // other sessions; those that keep the login and the module stay
	OpLogin   = "login"   // PIN, Spare; out and in again, in other sessions
	OpList    = "list"    // → Refs
	OpCreate  = "create"  // Ref, Algorithm → Public
	OpPublic  = "public"  // Ref → Public
	OpSign    = "sign"    // Ref, Digest, Hash, Salt → Data
	OpDestroy = "destroy" // Ref
	OpSealer  = "sealer"  // Label, and New if it may be made → Data: CKA_ID of the key
	OpWrap    = "wrap"    // Label, ObjectID, Data → Data
	OpUnwrap  = "unwrap"  // Label, ObjectID, Data → Data
)

// Target says which token of which module is meant. Empty fields match all.
type Target struct {
	Module       string `json:"module"` // absolute path of the shared library
	Label        string `json:"label,omitempty"`
	Serial       string `json:"serial,omitempty"`
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	SlotID       *uint  `json:"slot_id,omitempty"`
}

// Request is what the program asks.
type Request struct {
	ID        uint64   `json:"id"`
	Op        string   `json:"op"`
	Version   int      `json:"version,omitempty"`
	Target    *Target  `json:"target,omitempty"`
	PIN       []byte   `json:"pin,omitempty"`
	Spare     []string `json:"spare,omitempty"` // serial numbers of tokens that have refused this PIN
	Ref       string   `json:"ref,omitempty"`
	Object    string   `json:"object,omitempty"` // CKA_LABEL that listed keys have; empty: any
	ObjectID  []byte   `json:"object_id,omitempty"`
	Algorithm string   `json:"algorithm,omitempty"` // as hsm/key names it
	Digest    []byte   `json:"digest,omitempty"`
	Hash      uint     `json:"hash,omitempty"` // a crypto.Hash
	PSS       bool     `json:"pss,omitempty"`
	Salt      int      `json:"salt,omitempty"`  // bytes, of PSS
	Label     string   `json:"label,omitempty"` // of the sealing key
	New       bool     `json:"new,omitempty"`
	Data      []byte   `json:"data,omitempty"`
}

// Response is the answer to the request of the same ID.
type Response struct {
	ID      uint64   `json:"id"`
	Fault   *Fault   `json:"fault,omitempty"` // nil: it was done
	Version int      `json:"version,omitempty"`
	Token   *Token   `json:"token,omitempty"`
	Refs    []string `json:"refs,omitempty"`
	Public  []byte   `json:"public,omitempty"` // SubjectPublicKeyInfo, DER
	Data    []byte   `json:"data,omitempty"`
}

// Token describes the token that was opened.
type Token struct {
	Label        string   `json:"label"`
	Serial       string   `json:"serial"`
	Manufacturer string   `json:"manufacturer"`
	Model        string   `json:"model"`
	SlotID       uint     `json:"slot_id"`
	Algorithms   []string `json:"algorithms"` // of keys that it makes, best first
	LoggedIn     bool     `json:"logged_in"`
}

// The kinds of faults that the helper finds itself. Other faults have the code
// that the module returned.
const (
	KindNoToken    = "no-token"  // none matches the target
	KindNotFound   = "not-found" // no such key
	KindAmbiguous  = "ambiguous" // several match
	KindNeedsPIN   = "needs-pin"
	KindFinalTry   = "final-try"   // a wrong PIN would lock the token
	KindPINLocked  = "pin-locked"  //
	KindPINRefused = "pin-refused" // the token is one of Spare: nothing was tried
	KindNoUserPIN  = "no-user-pin"
	KindSealed     = "sealed"  // the data, not the token, are at fault
	KindRefused    = "refused" // Text says what and why
	KindBroken     = "broken"  // the module panicked or cannot be loaded
)

// Fault says why something was not done.
type Fault struct {
	Kind string `json:"kind,omitempty"`
	Code uint   `json:"code,omitempty"` // CKR_…; 0: see Kind
	Text string `json:"text,omitempty"`
	// Serial is that of the token that refused the PIN.
	Serial string `json:"serial,omitempty"`
}

func (f *Fault) Error() string {
	switch {
	case f.Code != 0 && f.Text != "":
		return f.Text + ": " + CodeName(f.Code)
	case f.Code != 0:
		return CodeName(f.Code)
	case f.Text != "":
		return f.Text
	}
	return f.Kind
}

// ErrTooLong says that a frame is longer than MaxFrame.
var ErrTooLong = errors.New("a frame of the PKCS#11 helper is too long")

// Write sends one message.
func Write(w io.Writer, message any) error {
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode a frame: %w", err)
	}
	if len(body) > MaxFrame {
		return ErrTooLong
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err = w.Write(append(frame, body...))
	return err
}

// Read receives one message. The error is io.EOF at the end of the stream
// between two frames.
func Read(r io.Reader, message any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxFrame {
		return ErrTooLong
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if err := json.Unmarshal(body, message); err != nil {
		return fmt.Errorf("decode a frame: %w", err)
	}
	return nil
}
