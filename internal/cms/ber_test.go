package cms

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func TestToDER(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("3080", n) + "0500" + strings.Repeat("0000", n) }
	long := func(n int) string { return strings.Repeat("00", n) }
	tests := []struct {
		name    string
		in      string
		want    string
		wantErr error
	}{
		{name: "primitive", in: "020107", want: "020107"},
		{name: "long form", in: "02810107", want: "020107"},
		{name: "length of four bytes", in: "02840000000107", want: "020107"},
		{name: "length of five bytes", in: "0285000000000107", wantErr: errLength},
		{name: "indefinite", in: "30800201070000", want: "3003020107"},
		{name: "empty indefinite", in: "30800000", want: "3000"},
		{name: "empty in indefinite", in: "3080318000000000", want: "30023100"},
		{name: "indefinite in definite", in: "300630800500" + "0000", want: "300430020500"},
		{name: "indefinite primitive", in: "02800000", wantErr: errLength},
		{name: "content of 127", in: "047f" + long(127), want: "047f" + long(127)},
		{name: "content of 128", in: "048180" + long(128), want: "048180" + long(128)},
		{name: "content of 255", in: "0481ff" + long(255), want: "0481ff" + long(255)},
		{name: "content of 256", in: "04820100" + long(256), want: "04820100" + long(256)},
		{name: "content of 65535", in: "0482ffff" + long(65535), want: "0482ffff" + long(65535)},
		{name: "content of 65536", in: "0483010000" + long(65536), want: "0483010000" + long(65536)},
		{name: "length above the bound", in: "0483010001", wantErr: errLength},
		{name: "tag of two bytes", in: "1f0101ff", want: "1f0101ff"},
		{name: "tag of four bytes", in: "1f8181010100", want: "1f8181010100"},
		{name: "tag of five bytes", in: "1f818181010100", wantErr: errTag},
		{name: "tag cut off", in: "1f81", wantErr: errTag},
		{name: "end with content", in: "30800001050000", wantErr: errTag},
		{name: "end without a beginning", in: "30020000", wantErr: errTag},
		{name: "no length", in: "02", wantErr: errTruncated},
		{name: "length cut off", in: "028201", wantErr: errTruncated},
		{name: "content cut off", in: "020201", wantErr: errTruncated},
		{name: "inner content cut off", in: "3003020205", wantErr: errTruncated},
		{name: "end cut off", in: "3080020107", wantErr: errTruncated},
		{name: "half an end", in: "308002010700", wantErr: errTruncated},
		{name: "trailing", in: "02010700", wantErr: errTrailing},
		{name: "empty", in: "", wantErr: errTruncated},
		{name: "deepest", in: nested(maxDepth), want: ""},
		{name: "too deep", in: nested(maxDepth + 1), wantErr: errDepth},
		{name: "far too deep", in: strings.Repeat("3080", 30_000), wantErr: errDepth},
		{name: "most objects", in: "3080" + strings.Repeat("0500", maxObjects-1) + "0000", want: ""},
		{name: "too many objects", in: "3080" + strings.Repeat("0500", maxObjects) + "0000", wantErr: errCount},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, err := hex.DecodeString(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			got, err := toDER(in)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if tt.want != "" && hex.EncodeToString(got) != tt.want {
				t.Errorf("got %.80x, want %.80s", got, tt.want)
			}
			if again, err := toDER(got); tt.wantErr == nil && (err != nil || !bytes.Equal(again, got)) {
				t.Errorf("rewriting DER changes it: %v", err)
			}
		})
	}
}

func FuzzToDER(f *testing.F) {
	for _, s := range []string{"30800201070000", "300630800500" + "0000", "1f8181010100"} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		der, err := toDER(b)
		if err != nil {
			return
		}
		if len(der) > len(b) {
			t.Errorf("%d bytes became %d", len(b), len(der))
		}
		again, err := toDER(der)
		if err != nil || !bytes.Equal(again, der) {
			t.Errorf("rewriting DER changes it: %v", err)
		}
	})
}
