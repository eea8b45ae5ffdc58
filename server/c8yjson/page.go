package c8yjson

import (
	"net/url"
	"strconv"
	"strings"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// maxPageNumber bounds how far into a list one may jump: 2·10⁹ elements.
const maxPageNumber = 1_000_000

// Paging is the part of a list that a query asks for.
type Paging struct {
	platform.Page
	TotalPages    bool // withTotalPages=true
	TotalElements bool // withTotalElements=true
}

// ParsePaging reads currentPage, pageSize, withTotalPages and
// withTotalElements (rest.md §0.5). A pageSize above the maximum is cut to it;
// what is no positive number is problem.Invalid.
func ParsePaging(q url.Values) (Paging, error) {
	p := Paging{TotalPages: strings.EqualFold(q.Get("withTotalPages"), "true"), TotalElements: strings.EqualFold(q.Get("withTotalElements"), "true")}
	p.WithTotal = p.TotalPages || p.TotalElements
	var err error
	if p.Number, err = positive(q, "currentPage", 1, maxPageNumber); err != nil {
		return Paging{}, err
	}
	p.Size, err = positive(q, "pageSize", platform.DefaultPageSize, 1<<31-1)
	p.Size = min(p.Size, platform.MaxPageSize)
	return p, err
}

func positive(q url.Values, name string, absent, limit int) (int, error) {
	s := q.Get(name)
	if s == "" {
		return absent, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n == 0 || int(n) > limit {
		return 0, problem.New(problem.Invalid, "'"+name+"' must be a whole number from 1 to "+strconv.Itoa(limit)+".", nil)
	}
	return int(n), nil
}

// Collection writes one page of a list. self is the URL that was asked for,
// absolute; the links keep its query. item writes one element.
func Collection[T any](w *Writer, self *url.URL, key string, p Paging, list platform.List[T], item func(*Writer, T)) {
	w.Open('{')
	w.Text("self", pageLink(self, p, p.Number))
	w.Key(key)
	w.Open('[')
	for _, v := range list.Items {
		item(w, v)
	}
	w.Close(']')
	statistics(w, p, list.Total)
	if p.Number > 1 {
		w.Text("prev", pageLink(self, p, p.Number-1))
	}
	if list.More && p.Number < maxPageNumber {
		w.Text("next", pageLink(self, p, p.Number+1))
	}
	w.Close('}')
}

func statistics(w *Writer, p Paging, total int64) {
	w.Key("statistics")
	w.Open('{')
	w.Int("currentPage", int64(p.Number))
	w.Int("pageSize", int64(p.Size))
	if p.TotalPages {
		w.Int("totalPages", (total+int64(p.Size)-1)/int64(p.Size))
	}
	if p.TotalElements {
		w.Int("totalElements", total)
	}
	w.Close('}')
}

func pageLink(self *url.URL, p Paging, number int) string {
	u := *self
	q := u.Query()
	q.Set("pageSize", strconv.Itoa(p.Size))
	q.Set("currentPage", strconv.Itoa(number))
	u.RawQuery = q.Encode()
	return u.String()
}
