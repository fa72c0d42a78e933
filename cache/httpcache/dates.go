package httpcache

import (
	"net/http"
	"strings"
	"time"
)

// The forms of an HTTP-date (RFC 9110, 5.6.7). That of RFC 850 follows the name of
// a day.
const (
	fixForm  = "aaa, 00 aaa 0000 00:00:00 gmt"
	oldForm  = ", 00-aaa-00 00:00:00 gmt"
	ansiForm = "aaa" + " aaa _0 00:00:00 0000"
)

// parseDate reads an HTTP-date in its three forms, in any case, and in no zone but
// GMT (RFC 9111, 4.2). Package time reads more than they allow. The name of the day
// may be the wrong one.
func parseDate(s string) (time.Time, bool) {
	s = trimOWS(s)
	switch {
	case shaped(s, fixForm):
		t, ok := dateFrom(digits(s[12:16]), s[8:11], s[5:7], s[17:25])
		return t, ok && isWeekday(s[:3], false)
	case shaped(s, ansiForm):
		t, ok := dateFrom(digits(s[20:]), s[4:7], s[8:10], s[11:19])
		return t, ok && isWeekday(s[:3], false)
	}
	at := len(s) - len(oldForm)
	if at < len("Monday") || !shaped(s[at:], oldForm) || !isWeekday(s[:at], true) {
		return time.Time{}, false
	}
	s = s[at:]
	now := time.Now().UTC()
	year := now.Year()/100*100 + digits(s[9:11])
	t, ok := dateFrom(year, s[5:8], s[2:4], s[12:20])
	if t.After(now.AddDate(50, 0, 0)) {
		t, ok = dateFrom(year-100, s[5:8], s[2:4], s[12:20])
	}
	return t, ok
}

// shaped says whether s has the form of a pattern: 0 is a digit, _ a digit or a
// space, a is a letter, and g, m and t are in any case.
func shaped(s, form string) bool {
	if len(s) != len(form) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		ok := c == form[i]
		switch form[i] {
		case '0':
			ok = isDigit(c)
		case '_':
			ok = c == ' ' || isDigit(c)
		case 'a':
			ok = isLower(c | 0x20)
		case 'g', 'm', 't':
			ok = c|0x20 == form[i]
		}
		if !ok {
			return false
		}
	}
	return true
}

// dateFrom takes parts that have the right form. A leap second is the one before it:
// what cannot be said exactly becomes earlier, not later (RFC 9111, 4.2).
func dateFrom(year int, month, day, clock string) (time.Time, bool) {
	d, hour, minute, second := digits(day), digits(clock[:2]), digits(clock[3:5]), digits(clock[6:])
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(m.String()[:3], month) {
			t := time.Date(year, m, d, hour, minute, min(second, 59), 0, time.UTC)
			return t, minute < 60 && second <= 60 && t.Day() == d // not the next one, by day or by hour
		}
	}
	return time.Time{}, false
}

func isWeekday(s string, full bool) bool {
	for d := time.Sunday; d <= time.Saturday; d++ {
		name := d.String()
		if !full {
			name = name[:3]
		}
		if len(name) == len(s) && strings.EqualFold(name, s) {
			return true
		}
	}
	return false
}

// digits reads a number, which may have a space before it.
func digits(s string) (n int) {
	for i := range len(s) {
		if s[i] != ' ' {
			n = 10*n + int(s[i]-'0')
		}
	}
	return n
}

func formatDate(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
