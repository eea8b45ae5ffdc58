package c8yjson_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func TestParsePaging(t *testing.T) {
	tests := []struct {
		in           string
		number, size int
		pages, all   bool
		wantErr      error
	}{
		{in: "", number: 1, size: 5},
		{in: "currentPage=3&pageSize=10", number: 3, size: 10},
		{in: "pageSize=1", number: 1, size: 1},
		{in: "pageSize=1999", number: 1, size: 1999},
		{in: "pageSize=2000", number: 1, size: 2000},
		{in: "pageSize=2001", number: 1, size: 2000},
		{in: "pageSize=2147483647", number: 1, size: 2000},
		{in: "pageSize=2147483648", wantErr: problem.Invalid},
		{in: "pageSize=0", wantErr: problem.Invalid},
		{in: "pageSize=-1", wantErr: problem.Invalid},
		{in: "pageSize=ten", wantErr: problem.Invalid},
		{in: "currentPage=1000000", number: 1_000_000, size: 5},
		{in: "currentPage=1000001", wantErr: problem.Invalid},
		{in: "currentPage=0", wantErr: problem.Invalid},
		{in: "withTotalPages=true", number: 1, size: 5, pages: true},
		{in: "withTotalElements=true&withTotalPages=false", number: 1, size: 5, all: true},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			q, err := url.ParseQuery(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			p, err := c8yjson.ParsePaging(q)
			if tt.wantErr != nil {
				if problem.KindOf(err) != tt.wantErr {
					t.Fatalf("got %v, want %v", err, tt.wantErr)
				}
				return
			}
			want := c8yjson.Paging{Page: platform.Page{Number: tt.number, Size: tt.size, WithTotal: tt.pages || tt.all}, TotalPages: tt.pages, TotalElements: tt.all}
			if p != want || err != nil {
				t.Errorf("got %+v, %v; want %+v", p, err, want)
			}
		})
	}
}

func TestCollection(t *testing.T) {
	type page struct {
		Self       string
		Items      []string
		Statistics map[string]int
		Prev, Next *string
	}
	write := func(t *testing.T, query string, list platform.List[string]) page {
		t.Helper()
		u, err := url.Parse("https://t.example.com/x?" + query)
		if err != nil {
			t.Fatal(err)
		}
		p, err := c8yjson.ParsePaging(u.Query())
		if err != nil {
			t.Fatal(err)
		}
		var w c8yjson.Writer
		c8yjson.Collection(&w, u, "items", p, list, func(w *c8yjson.Writer, s string) { w.String(s) })
		if strings.Contains(string(w.Bytes()), "null") {
			t.Errorf("null in %s", w.Bytes())
		}
		var got page
		if err := json.Unmarshal(w.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v", w.Bytes(), err)
		}
		return got
	}

	t.Run("middle page", func(t *testing.T) {
		got := write(t, "currentPage=2&pageSize=2&type=a%26b&withTotalPages=true&withTotalElements=true",
			platform.List[string]{Items: []string{"a", "b"}, More: true, Total: 5})
		if want := "https://t.example.com/x?currentPage=3&pageSize=2&type=a%26b&withTotalElements=true&withTotalPages=true"; got.Next == nil || *got.Next != want {
			t.Errorf("next is %v, want %s", got.Next, want)
		}
		if got.Prev == nil || !strings.Contains(*got.Prev, "currentPage=1&") {
			t.Errorf("prev is %v", got.Prev)
		}
		if s := got.Statistics; s["totalPages"] != 3 || s["totalElements"] != 5 || s["currentPage"] != 2 || s["pageSize"] != 2 {
			t.Errorf("statistics are %v", s)
		}
	})
	t.Run("empty", func(t *testing.T) {
		got := write(t, "", platform.List[string]{})
		if got.Items == nil || len(got.Items) != 0 || got.Next != nil || got.Prev != nil || len(got.Statistics) != 2 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("totals at the edge of a page", func(t *testing.T) {
		for total, want := range map[int64]int{0: 0, 1: 1, 4: 1, 5: 1, 6: 2} {
			got := write(t, "withTotalPages=true", platform.List[string]{Total: total})
			if got.Statistics["totalPages"] != want {
				t.Errorf("%d elements are %d pages, want %d", total, got.Statistics["totalPages"], want)
			}
		}
	})
}

func FuzzPaging(f *testing.F) {
	f.Add("currentPage=2&pageSize=10&withTotalPages=true")
	f.Add("pageSize=%31&currentPage=&type=%2F")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		p, err := c8yjson.ParsePaging(q)
		if err != nil {
			return
		}
		if p.Size < 1 || p.Size > platform.MaxPageSize || p.Number < 1 || p.Offset() < 0 {
			t.Fatalf("%q gives %+v", query, p)
		}
		u := &url.URL{Scheme: "https", Host: "h", Path: "/x", RawQuery: query}
		var w c8yjson.Writer
		c8yjson.Collection(&w, u, "items", p, platform.List[int]{More: true}, func(*c8yjson.Writer, int) {})
		var got struct{ Next string }
		if err := json.Unmarshal(w.Bytes(), &got); err != nil {
			t.Fatalf("%q gives %s: %v", query, w.Bytes(), err)
		}
		if p.Number == 1_000_000 {
			return
		}
		next, err := url.Parse(got.Next)
		if err != nil {
			t.Fatal(err)
		}
		again, err := c8yjson.ParsePaging(next.Query())
		if err != nil || again.Number != p.Number+1 || again.Size != p.Size || again.WithTotal != p.WithTotal {
			t.Errorf("the page after %+v is %+v, %v", p, again, err)
		}
	})
}
