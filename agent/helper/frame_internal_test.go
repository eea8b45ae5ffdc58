package helper

import (
	"bytes"
	"testing"
)

func TestFrameBounds(t *testing.T) {
	for _, n := range []int{0, maxFrame - 1, maxFrame} {
		var b bytes.Buffer
		if err := writeFrame(&b, kindData, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if kind, payload, err := readFrame(&b); err != nil || kind != kindData || len(payload) != n {
			t.Errorf("%d bytes: got %c, %d, %v", n, kind, len(payload), err)
		}
	}
	if err := writeFrame(&bytes.Buffer{}, kindData, make([]byte, maxFrame+1)); err == nil {
		t.Error("one byte more was written")
	}
	if _, _, err := readFrame(bytes.NewReader(append([]byte{kindData, 1, 0, 1}, make([]byte, maxFrame+1)...))); err == nil {
		t.Error("one byte more was read")
	}
}

func FuzzRequest(f *testing.F) {
	for _, r := range []Request{{Verb: Restart}, {Verb: UpdateSoftware, Items: []Item{{Type: "apt", Name: "x", File: true}}}} {
		var b bytes.Buffer
		if err := writeJSON(&b, kindRequest, r); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := readRequest(bytes.NewReader(in))
		if err == nil && (len(r.Items) > MaxItems || r.MaxLines < 0) {
			t.Errorf("accepted %+v", r)
		}
	})
}

func FuzzList(f *testing.F) {
	f.Add("a\t1\nb\t2\n")
	f.Add("\"a b\"\t\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseList("x", text)
		for _, p := range list {
			if err == nil && (p.Name == "" || argument("", p.Name) != nil || argument("", p.Version) != nil) {
				t.Errorf("listed %+v", p)
			}
		}
	})
}
