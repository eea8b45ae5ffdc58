package est_test

import (
	"bytes"
	"testing"

	"mooring/internal/est"
)

func TestRequestRoundTrip(t *testing.T) {
	der := append([]byte{0x30, 0x82, 1, 0}, bytes.Repeat([]byte{7}, 256)...)
	got, err := est.DecodeRequest(est.EncodeRequest(der))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, der) {
		t.Errorf("DecodeRequest = %x, want %x", got, der)
	}
}
