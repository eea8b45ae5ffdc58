package wire_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"mooring/hsm/pkcs11key/wire"
)

func frame(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func TestFrames(t *testing.T) {
	slot := uint(7)
	sent := wire.Request{ID: 1, Op: wire.OpSign, Target: &wire.Target{Module: "/m", SlotID: &slot}, PIN: []byte{0, 1}, Ref: "a-01", Digest: []byte("x"), Hash: 5, PSS: true, Salt: 32}
	var b bytes.Buffer
	if err := wire.Write(&b, sent); err != nil {
		t.Fatal(err)
	}
	var got wire.Request
	if err := wire.Read(&b, &got); err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := wire.Read(&b, &got); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	for n, good := range map[int]bool{wire.MaxFrame - 1: true, wire.MaxFrame: true, wire.MaxFrame + 1: false} {
		body := append(append([]byte(`{"op":"`), bytes.Repeat([]byte("x"), n-9)...), `"}`...)
		if err := wire.Read(bytes.NewReader(frame(body)), &got); (err == nil) != good {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for name, text := range map[string][]byte{"half a length": {0, 0}, "half a body": frame([]byte("{}"))[:5], "no JSON": frame([]byte("x")), "empty": frame(nil),
		"too long": {0xff, 0xff, 0xff, 0xff}} {
		if err := wire.Read(bytes.NewReader(text), &got); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := wire.Write(io.Discard, wire.Response{Data: make([]byte, wire.MaxFrame)}); !errors.Is(err, wire.ErrTooLong) {
		t.Errorf("a frame that is too long: %v", err)
	}
}

// The longest list fits a frame.
func TestLongestList(t *testing.T) {
	refs := make([]string, wire.MaxRefs)
	for i := range refs {
		refs[i] = strings.Repeat("x", wire.MaxRef)
	}
	if err := wire.Write(io.Discard, wire.Response{Refs: refs}); err != nil {
		t.Error(err)
	}
}

func fuzzFrames[T any](f *testing.F, seeds ...T) {
	for _, s := range seeds {
		body, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame(body))
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var first, second T
		if wire.Read(bytes.NewReader(b), &first) != nil {
			return
		}
		var again bytes.Buffer
		if err := wire.Write(&again, first); err != nil {
			return // escapes may make it longer
		}
		if err := wire.Read(&again, &second); err != nil {
			t.Fatalf("read what was written: %v", err)
		}
		a, _ := json.Marshal(first)
		b2, _ := json.Marshal(second)
		if !bytes.Equal(a, b2) {
			t.Errorf("%s became %s", a, b2)
		}
	})
}

func FuzzRequest(f *testing.F) {
	fuzzFrames(f, wire.Request{Op: wire.OpHello, Version: 1}, wire.Request{Op: wire.OpOpen, Target: &wire.Target{Module: "/m"}, PIN: []byte("1234")})
}

func FuzzResponse(f *testing.F) {
	fuzzFrames(f, wire.Response{Version: 1}, wire.Response{Fault: &wire.Fault{Code: 0x30}}, wire.Response{Refs: []string{"a-01"}, Token: &wire.Token{Label: "x"}})
}

func TestRefs(t *testing.T) {
	for _, tt := range []struct {
		label string
		id    []byte
		want  string
	}{
		{"x", []byte{1}, "x-01"}, {"x-01", []byte{1}, "x-01"}, {"x-01", []byte{2}, "x-01-02"}, {"", []byte{0xab}, "key-ab"}, {"../..", []byte{1}, "key-01"},
		{"a b/ü", []byte{1}, "a-b---01"}, {strings.Repeat("x", 300), []byte{1}, strings.Repeat("x", wire.MaxRef-3) + "-01"},
	} {
		ref := wire.RefOf(tt.label, tt.id)
		if ref != tt.want {
			t.Errorf("%q %x: %q, want %q", tt.label, tt.id, ref, tt.want)
		}
		if id, ok := wire.IDOf(ref); !ok || !bytes.Equal(id, tt.id) {
			t.Errorf("%q: ID %x, %v", ref, id, ok)
		}
	}
	for _, bad := range []string{"", "x", "x-", "-01", "x-0", "x-0g", "x-AB", "x 01", "x-01 ", "x-01\n", "x/01", strings.Repeat("x", wire.MaxRef-2) + "-01", "x-" + strings.Repeat("01", 65)} {
		if id, ok := wire.IDOf(bad); ok {
			t.Errorf("%q is a Ref of %x", bad, id)
		}
	}
	for n, good := range map[int]bool{63: true, 64: true, 65: false} {
		if _, ok := wire.IDOf("x-" + strings.Repeat("01", n)); ok != good {
			t.Errorf("an ID of %d bytes: %v", n, ok)
		}
	}
}

func FuzzRef(f *testing.F) {
	f.Add("label", []byte{1})
	f.Fuzz(func(t *testing.T, label string, id []byte) {
		if len(id) == 0 || len(id) > 64 {
			return
		}
		ref := wire.RefOf(label, id)
		if got, ok := wire.IDOf(ref); !ok || !bytes.Equal(got, id) || len(ref) > wire.MaxRef {
			t.Errorf("%q %x: %q → %x, %v", label, id, ref, got, ok)
		}
		if wire.RefOf(ref, id) != ref {
			t.Errorf("%q is not stable", ref)
		}
	})
}

func TestCodeNames(t *testing.T) {
	for code, want := range map[uint]string{0x30: "CKR_DEVICE_ERROR (0x30)", 0x80000001: "CKR 0x80000001"} {
		if got := wire.CodeName(code); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
