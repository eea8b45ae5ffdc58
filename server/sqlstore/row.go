package sqlstore

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"mooring/server/platform"
)

// row is a row of a result, read from left to right. The first value of a
// wrong type is kept in err, so that a scan needs one check.
type row struct {
	values []any
	next   int
	err    error
}

func (r *row) value() any {
	if r.next >= len(r.values) {
		r.err = errors.Join(r.err, fmt.Errorf("sqlstore: a row of %d columns has no column %d", len(r.values), r.next))
		return nil
	}
	v := r.values[r.next]
	r.next++
	return v
}

func (r *row) wrong(want string, got any) {
	r.err = errors.Join(r.err, fmt.Errorf("sqlstore: column %d is a %T, not %s", r.next-1, got, want))
}

// int reads an integer; NULL is zero.
func (r *row) int() int64 {
	switch v := r.value().(type) {
	case int64:
		return v
	case nil:
	default:
		r.wrong("an integer", v)
	}
	return 0
}

// text reads a text; NULL is empty.
func (r *row) text() string {
	switch v := r.value().(type) {
	case string:
		return v
	case nil:
	default:
		r.wrong("a text", v)
	}
	return ""
}

// bytes reads a blob; an empty one and NULL are nil.
func (r *row) bytes() []byte {
	switch v := r.value().(type) {
	case []byte:
		if len(v) > 0 {
			return v
		}
	case nil:
	default:
		r.wrong("a blob", v)
	}
	return nil
}

// bool reads a truth value, which SQLite keeps as an integer.
func (r *row) bool() bool {
	switch v := r.value().(type) {
	case bool:
		return v
	case int64:
		return v != 0
	default:
		r.wrong("a truth value", v)
	}
	return false
}

func (r *row) time() time.Time { return time.UnixMilli(r.int()).UTC() }

func (r *row) id() platform.ID { return platform.ID(r.int()) }

// hash reads 32 bytes.
func (r *row) hash() (h [32]byte) {
	b := r.bytes()
	if len(b) != len(h) && len(b) != 0 {
		r.wrong("a hash", b)
	}
	copy(h[:], b)
	return h
}

// bind turns arguments into what both engines take: int64, string, []byte and
// bool. A text with a NUL or broken UTF-8 is Invalid: PostgreSQL cannot keep
// it, so no store does.
func bind(args []any) ([]any, error) {
	for i, arg := range args {
		switch v := arg.(type) {
		case int64, bool:
		case string:
			if !utf8.ValidString(v) || strings.IndexByte(v, 0) >= 0 {
				return nil, invalid("text must be UTF-8 without NUL")
			}
		case []byte:
			if v == nil {
				args[i] = []byte{}
			}
		case int:
			args[i] = int64(v)
		case tenantKey:
			args[i] = int64(v)
		case platform.ID:
			args[i] = int64(v)
		case time.Time:
			args[i] = v.UnixMilli()
		default:
			return nil, fmt.Errorf("sqlstore: cannot bind a %T", arg)
		}
	}
	return args, nil
}

// clean makes text of strangers fit to be kept.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
