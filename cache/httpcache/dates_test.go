package httpcache

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestDates: the three forms (RFC 9110, 5.6.7), in any case (RFC 9111, 4.2).
func TestDates(t *testing.T) {
	want := time.Date(2050, time.August, 18, 2, 1, 18, 0, time.UTC)
	for _, s := range []string{
		"Thu, 18 Aug 2050 02:01:18 GMT", "THU, 18 AUG 2050 02:01:18 gmt", "thu, 18 aug 2050 02:01:18 Gmt",
		" \tThu, 18 Aug 2050 02:01:18 GMT ", "Mon, 18 Aug 2050 02:01:18 GMT",
		"Thursday, 18-Aug-50 02:01:18 GMT", "THURSDAY, 18-aug-50 02:01:18 gmT",
		"Thu Aug 18 02:01:18 2050", "THU AUG 18 02:01:18 2050",
	} {
		if got, ok := parseDate(s); !ok || !got.Equal(want) {
			t.Errorf("%q: %v %v", s, got, ok)
		}
	}
	for s, want := range map[string]time.Time{
		"Sun Nov  6 08:49:37 1994":      time.Date(1994, time.November, 6, 8, 49, 37, 0, time.UTC),
		"Sat, 31 Dec 2016 23:59:60 GMT": time.Date(2016, time.December, 31, 23, 59, 59, 0, time.UTC),
		"Thu, 29 Feb 2024 00:00:00 GMT": time.Date(2024, time.February, 29, 0, 0, 0, 0, time.UTC),
		"Fri, 31 Dec 9999 23:59:59 GMT": time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC),
	} {
		if got, ok := parseDate(s); !ok || !got.Equal(want) {
			t.Errorf("%q: %v %v", s, got, ok)
		}
	}
}

// TestNoDates: what is nearly one is none.
func TestNoDates(t *testing.T) {
	for _, s := range []string{
		"", "0", "-1", "3600", "now", "Thu",
		"Thu, 18 Aug 2050 2:01:18 GMT", "Thu, 8 Aug 2050 02:01:18 GMT", "Thu, 18  Aug 2050 02:01:18 GMT", "Thu, 18 Aug  2050 2:01:18 GMT",
		"Thu,  8 Aug 2050 02:01:18 GMT", "Thu, 18 Aug 50 02:01:18 GMT", "Thu, 18-Aug-2050 02:01:18 GMT", "Thu 18 Aug 2050 02:01:18 GMT",
		"Thu,18 Aug 2050 02:01:18 GMT", "Thu, 18 Aug 2050 02.01.18 GMT", "Thu, 18 Aug 2050 02:01 GMT", "Thu, 18 Aug 2050 02:01:18",
		"Thu, 18 Aug 2050 02:01:18 AEST", "Thu, 18 Aug 2050 02:01:18 UTC", "Thursday, 18-Aug-50 02:01:18 UTC", "Thu, 18 Aug 2050 02:01:18 EST", "Thu, 18 Aug 2050 02:01:18 +00", "Thu, 18 Aug 2050 02:01:18 +0000",
		"Thu, 18 Aug 2050 02:01:18 GMT.", "Thu, 18 Aug 2050 02:01:18.0 GMT", "Thu, 18 Aug 2050 24:00:00 GMT", "Thu, 18 Aug 2050 02:60:18 GMT",
		"Thu, 18 Aug 2050 02:01:61 GMT", "Thu, 31 Feb 2050 02:01:18 GMT", "Thu, 29 Feb 2025 02:01:18 GMT", "Thu, 00 Aug 2050 02:01:18 GMT",
		"Thu, 32 Aug 2050 02:01:18 GMT", "Tho, 18 Aug 2050 02:01:18 GMT", "Thu, 18 Agu 2050 02:01:18 GMT", "Thu, 18 Aug 2O50 02:01:18 GMT",
		"Thursday, 18 Aug 2050 02:01:18 GMT", "Thu, 18-Aug-50 02:01:18 GMT", "Thursday, 18-Aug-50 02:01:18 EST", "Thorsday, 18-Aug-50 02:01:18 GMT",
		"Thursday, 8-Aug-50 02:01:18 GMT", "Thursday, 18-Aug-2050 02:01:18 GMT", "\u017funday, 18-Aug-50 02:01:18 GMT",
		"Thu Aug 18 02:01:18 2050 GMT", "Thu Aug 8 02:01:18 2050", "Thu Aug 18 02:01:18 50", "Thu Aug 18  2:01:18 2050", "Thu, Aug 18 02:01:18 2050",
		"2050-08-18T02:01:18Z", "2050-08-18 02:01:18", "Thu, 18 Aug 2050 02:01:18 GMT, Thu, 18 Aug 2050 02:01:18 GMT",
	} {
		if got, ok := parseDate(s); ok {
			t.Errorf("%q is %v", s, got)
		}
	}
}

// TestDateCentury: two digits of a year are not more than 50 years ahead (RFC 9110,
// 5.6.7).
func TestDateCentury(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which begins in the year 2000
		for _, c := range []struct {
			now    time.Time
			digits string
			year   int
		}{
			{time.Now(), "49", 2049}, {time.Now(), "51", 1951}, {time.Now(), "99", 1999}, {time.Now(), "00", 2000},
			{time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), "70", 2070}, {time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), "77", 1977},
			{time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), "94", 1994}, {time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), "25", 2025},
		} {
			time.Sleep(time.Until(c.now))
			got, ok := parseDate("Sunday, 01-Mar-" + c.digits + " 00:00:00 GMT")
			if !ok || got.Year() != c.year {
				t.Errorf("in %d: %s is %v, not %d", c.now.Year(), c.digits, got, c.year)
			}
		}
		if got, ok := parseDate("Monday, 29-Feb-01 00:00:00 GMT"); ok {
			t.Errorf("the 29th of February: %v", got)
		}
	})
}

// TestDateNotLocal: the zone that this machine lives in changes nothing (RFC 9111,
// 4.2).
func TestDateNotLocal(t *testing.T) {
	was := time.Local                   //nolint:gosmopolitan // that it does not matter is what is shown
	defer func() { time.Local = was }() //nolint:gosmopolitan // as above
	for _, hours := range []int{-11, 13} {
		zone := time.FixedZone("GMT", hours*3600)
		time.Local = zone //nolint:gosmopolitan // as above
		for _, s := range []string{"Thu, 18 Aug 2050 02:01:18 GMT", "Thursday, 18-Aug-50 02:01:18 GMT", "Thu Aug 18 02:01:18 2050"} {
			got, ok := parseDate(s)
			if !ok || got.Unix() != 2544400878 || formatDate(got.In(zone)) != "Thu, 18 Aug 2050 02:01:18 GMT" {
				t.Errorf("%d hours: %q is %v", hours, s, got)
			}
		}
	}
}
