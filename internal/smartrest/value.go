package smartrest

import (
	"strconv"
	"strings"
	"time"
)

// Number is a decimal number as text in JSON's own grammar, so that it can be
// written into a document unchanged and nothing is rounded on the way.
type Number string

// Bounds of a number; ours. The exponent is that of a float64, which is what
// every reader of our documents has.
const (
	maxNumberBytes = 64
	maxExponent    = 308
)

// ParseNumber checks s and brings it into JSON's grammar: a leading plus sign and
// superfluous zeros go, ".5" and "5." get their missing zero.
func ParseNumber(s string) (Number, bool) {
	if s == "" || len(s) > maxNumberBytes {
		return "", false
	}
	if plain(s) {
		return Number(s), true
	}
	rest, sign := s, ""
	if rest[0] == '-' || rest[0] == '+' {
		if rest[0] == '-' {
			sign = "-"
		}
		rest = rest[1:]
	}
	whole, rest := digits(rest)
	fraction := ""
	if strings.HasPrefix(rest, ".") {
		fraction, rest = digits(rest[1:])
	}
	if whole == "" && fraction == "" {
		return "", false
	}
	exponent, ok := parseExponent(rest)
	if !ok {
		return "", false
	}
	for len(whole) > 1 && whole[0] == '0' {
		whole = whole[1:]
	}
	if whole == "" {
		whole = "0"
	}
	n := sign + whole
	if fraction != "" {
		n += "." + fraction
	}
	return Number(n + exponent), true
}

// plain reports whether s is what nearly every device sends, an optional minus
// sign, digits without a superfluous zero and an optional fraction: nothing needs
// to be copied then.
func plain(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, rest := digits(s)
	if whole == "" || whole[0] == '0' && len(whole) > 1 || rest == "" {
		return whole != "" && rest == "" && (whole[0] != '0' || len(whole) == 1)
	}
	if rest[0] != '.' {
		return false
	}
	fraction, rest := digits(rest[1:])
	return fraction != "" && rest == ""
}

// parseExponent reads "", or an E with an optional sign and at most three digits.
func parseExponent(s string) (string, bool) {
	if s == "" {
		return "", true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return "", false
	}
	n, err := strconv.Atoi(strings.TrimPrefix(s[1:], "+"))
	if err != nil || strings.HasPrefix(s[1:], "+-") || strings.HasPrefix(s[1:], "++") || n > maxExponent || n < -maxExponent {
		return "", false
	}
	return s, true
}

func digits(s string) (head, rest string) {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

// Float returns the nearest float64.
func (n Number) Float() float64 {
	f, _ := strconv.ParseFloat(string(n), 64)
	return f
}

// parseInteger reads a whole number that fits 32 bits.
func parseInteger(s string) (int, bool) {
	n, err := strconv.ParseInt(s, 10, 32)
	return int(n), err == nil
}

// parseBool reads true or false, in any case.
func parseBool(s string) (value, ok bool) {
	switch {
	case strings.EqualFold(s, "true"):
		return true, true
	case strings.EqualFold(s, "false"):
		return false, true
	}
	return false, false
}

// ParseTime reads an ISO 8601 instant with zone, in the forms devices send:
//
//	2016-06-22T17:03:14.000+02:00   2021-04-23T19:00:00+0500   …Z
//
// Seconds may be missing, a fraction may have up to nine digits behind a dot or a
// comma, the zone is Z, ±hh, ±hhmm or ±hh:mm. An empty s is now, the time of
// arrival.
func ParseTime(s string, now time.Time) (time.Time, bool) {
	if s == "" {
		return now, true
	}
	p := timeParser{rest: s}
	year, month, day := p.number(4), p.after('-'), p.after('-')
	p.separator()
	hour, minute := p.number(2), p.after(':')
	second, nanos := p.seconds()
	offset := p.zone()
	if p.bad || p.rest != "" || !validDate(year, month, day) || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	return t.Add(-offset), true
}

// validDate keeps the year between 1 and 9999, what four digits and every store
// can hold once the zone is taken off.
func validDate(year, month, day int) bool {
	if year < 1 || month < 1 || month > 12 || day < 1 {
		return false
	}
	last := time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return day <= last
}

// timeParser eats rest from the left; bad is set at the first surprise.
type timeParser struct {
	rest string
	bad  bool
}

// number reads exactly n digits.
func (p *timeParser) number(n int) int {
	if len(p.rest) < n {
		p.bad = true
		return 0
	}
	v := 0
	for i := range n {
		if !isDigit(p.rest[i]) {
			p.bad = true
			return 0
		}
		v = v*10 + int(p.rest[i]-'0')
	}
	p.rest = p.rest[n:]
	return v
}

// after reads c and two digits.
func (p *timeParser) after(c byte) int {
	if !p.take(c) {
		p.bad = true
	}
	return p.number(2)
}

func (p *timeParser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// separator reads what stands between date and time.
func (p *timeParser) separator() {
	if !p.take('T') && !p.take('t') && !p.take(' ') {
		p.bad = true
	}
}

// seconds reads the optional seconds and their optional fraction.
func (p *timeParser) seconds() (second, nanos int) {
	if p.rest == "" || p.rest[0] != ':' {
		return 0, 0
	}
	second = p.after(':')
	if !p.take('.') && !p.take(',') {
		return second, 0
	}
	fraction, rest := digits(p.rest)
	if fraction == "" || len(fraction) > 9 {
		p.bad = true
		return second, 0
	}
	p.rest = rest
	nanos, _ = strconv.Atoi(fraction + "000000000"[len(fraction):])
	return second, nanos
}

// zone reads the offset from UTC.
func (p *timeParser) zone() time.Duration {
	if p.take('Z') || p.take('z') {
		return 0
	}
	sign := time.Duration(1)
	if p.take('-') {
		sign = -1
	} else if !p.take('+') {
		p.bad = true
		return 0
	}
	hours, minutes := p.number(2), 0
	if p.take(':') || p.rest != "" {
		minutes = p.number(2)
	}
	if hours > 23 || minutes > 59 {
		p.bad = true
	}
	return sign * (time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute)
}
