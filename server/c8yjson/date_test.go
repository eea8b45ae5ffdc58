package c8yjson_test

import (
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
)

func TestParseTime(t *testing.T) {
	tests := []struct {
		name, in, want string
		wantErr        error
	}{
		{name: "as emitted", in: "2020-02-18T13:13:00.000Z", want: "2020-02-18T13:13:00.000Z"},
		{name: "no fraction", in: "2020-02-18T13:13:00Z", want: "2020-02-18T13:13:00.000Z"},
		{name: "offset with colon", in: "2020-02-18T13:13:00.5+02:00", want: "2020-02-18T11:13:00.500Z"},
		{name: "offset without colon", in: "2020-02-18T13:13:00-0230", want: "2020-02-18T15:43:00.000Z"},
		{name: "offset of hours", in: "2020-02-18T13:13:00+02", want: "2020-02-18T11:13:00.000Z"},
		{name: "no seconds", in: "2020-02-18T13:13Z", want: "2020-02-18T13:13:00.000Z"},
		{name: "nanoseconds are cut", in: "2020-02-18T13:13:00.123999999Z", want: "2020-02-18T13:13:00.123Z"},
		{name: "leap day", in: "2024-02-29T00:00:00Z", want: "2024-02-29T00:00:00.000Z"},
		{name: "first moment", in: "0001-01-01T00:00:00Z", want: "0001-01-01T00:00:00.000Z"},
		{name: "before the first year", in: "0001-01-01T00:00:00+01:00", wantErr: problem.Unprocessable},
		{name: "last moment", in: "9999-12-31T23:59:59.999Z", want: "9999-12-31T23:59:59.999Z"},
		{name: "after the last year", in: "9999-12-31T23:59:59-01:00", wantErr: problem.Unprocessable},
		{name: "no leap day", in: "2023-02-29T00:00:00Z", wantErr: problem.Unprocessable},
		{name: "no zone", in: "2020-02-18T13:13:00", want: "2020-02-18T13:13:00.000Z"},
		{name: "bare date", in: "2020-02-18", wantErr: problem.Unprocessable},
		{name: "40 bytes", in: "2020-02-18T13:13:00.12345678901234+02:00", want: "2020-02-18T11:13:00.123Z"},
		{name: "41 bytes", in: "2020-02-18T13:13:00.123456789012345+02:00", wantErr: problem.Unprocessable},
		{name: "empty", in: "", wantErr: problem.Unprocessable},
		{name: "words", in: "yesterday at noon", wantErr: problem.Unprocessable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := c8yjson.ParseTime(tt.in)
			checkDate(t, got, err, tt.want, tt.wantErr)
		})
	}
}

func TestParseQueryTime(t *testing.T) {
	tests := []struct {
		name, in, want string
		wantErr        error
	}{
		{name: "bare date", in: "2019-04-20", want: "2019-04-20T00:00:00.000Z"},
		{name: "no zone", in: "2019-04-20T10:00:00", want: "2019-04-20T10:00:00.000Z"},
		{name: "plus that became a space", in: "2019-04-20T10:00:00.000 02:00", want: "2019-04-20T08:00:00.000Z"},
		{name: "plus that became a space, short", in: "2019-04-20T10:00:00 0200", want: "2019-04-20T08:00:00.000Z"},
		{name: "space for T", in: "2019-04-20 10:00:00Z", want: "2019-04-20T10:00:00.000Z"},
		{name: "full", in: "2019-04-20T10:00:00.000+02:00", want: "2019-04-20T08:00:00.000Z"},
		{name: "words", in: "tomorrow", wantErr: problem.Unprocessable},
		{name: "no such day", in: "2019-04-31", wantErr: problem.Unprocessable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := c8yjson.ParseQueryTime(tt.in)
			checkDate(t, got, err, tt.want, tt.wantErr)
		})
	}
}

func checkDate(t *testing.T, got time.Time, err error, want string, wantErr error) {
	t.Helper()
	if wantErr != nil {
		if problem.KindOf(err) != wantErr {
			t.Fatalf("got %v, %v; want %v", got, err, wantErr)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if s := c8yjson.FormatTime(got); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2020-02-18T13:13:00.000Z", "2020-02-18", "2019-04-20T10:00:00 0200", "2020-02-18T13:13:00-0230"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if at, err := c8yjson.ParseTime(s); err == nil {
			again, err := c8yjson.ParseTime(c8yjson.FormatTime(at))
			if err != nil || !again.Equal(at) {
				t.Errorf("%q is %v, written and read again %v, %v", s, at, again, err)
			}
			if q, err := c8yjson.ParseQueryTime(s); err != nil || !q.Equal(at) {
				t.Errorf("%q in a query is %v, %v; want %v", s, q, err, at)
			}
		}
		_, _ = c8yjson.ParseQueryTime(s)
	})
}
