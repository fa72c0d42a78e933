package httpcache

import (
	"net/http"
	"strings"
	"time"
)

const (
	fixDate = "Mon, 02 Jan 2006 15:04:05 "
	oldDate = "02-Jan-06 15:04:05 " // RFC 850, behind the day's name
	ansi    = "Mon Jan _2 15:04:05 2006"
)

// parseDate reads an HTTP-date in its three forms (RFC 9110, 5.6.7), in any case,
// in GMT or UTC and in nothing else (RFC 9111, 4.2).
func parseDate(s string) (time.Time, bool) {
	s = trimOWS(s)
	if len(s) == len(ansi) {
		t, err := time.Parse(ansi, s)
		return t, err == nil && s[len(s)-5] == ' '
	}
	if len(s) < len(fixDate) {
		return time.Time{}, false
	}
	zone := s[len(s)-3:]
	s = s[:len(s)-3]
	if !strings.EqualFold(zone, "GMT") && !strings.EqualFold(zone, "UTC") {
		return time.Time{}, false
	}
	if len(s) == len(fixDate) && s[3] == ',' {
		t, err := time.Parse(fixDate, s)
		return t, err == nil
	}
	day, rest, ok := strings.Cut(s, ", ")
	if !ok || len(rest) != len(oldDate) || len(day) < len("Monday") {
		return time.Time{}, false
	}
	t, err := time.Parse("Monday, "+oldDate, s)
	if t.After(time.Now().AddDate(50, 0, 0)) {
		t = t.AddDate(-100, 0, 0)
	}
	return t, err == nil
}

func formatDate(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
