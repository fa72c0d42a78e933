package seawall

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// naiveTimeout is the parser in the plainest way.
func naiveTimeout(form timeoutForm, s string) time.Duration {
	s = strings.Trim(s, " \t")
	if len(s) > 32 || strings.ContainsAny(s, "+-") {
		return 0
	}
	if form == inGRPC {
		m := regexp.MustCompile(`^([0-9]{1,8})([HMSmun])$`).FindStringSubmatch(s)
		if m == nil {
			return 0
		}
		v, _ := strconv.Atoi(m[1])
		unit := map[string]time.Duration{
			"H": time.Hour, "M": time.Minute, "S": time.Second,
			"m": time.Millisecond, "u": time.Microsecond, "n": time.Nanosecond,
		}[m[2]]
		if float64(v)*float64(unit) > float64(24*time.Hour) {
			return 0
		}
		return time.Duration(v) * unit
	}
	if regexp.MustCompile(`^[0-9.]+$`).MatchString(s) {
		s += map[timeoutForm]string{inSeconds: "s", inMillis: "ms"}[form]
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > 24*time.Hour {
		return 0
	}
	return d
}

func FuzzTimeout(f *testing.F) {
	for form := range uint8(3) {
		for _, s := range []string{
			"2", "0.25", "250ms", "1m30.5s", "100m", "24H", "99999999n", "-1", "1e3", ".", "5.", ".5", "1.2.3", "3d", "", "0", "0s",
			"86400", "86400.0000000001", "24h0.1ns", "99999999999999999999", "1s5", "µs", "7µs", "7μs", "٧", " 1\t", "1 s", "NaN", "0x1p3", "1h1h1h1h1h1h1h1h",
		} {
			f.Add(form, s)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, s string) {
		form := timeoutForm(which % 3)
		got, want := form.parse(s), naiveTimeout(form, s)
		if got < 0 || got > 24*time.Hour {
			t.Fatalf("%q is %v", s, got)
		}
		// Digits far behind the point are rounded differently, at the day's end
		// one way or the other.
		edge := 24*time.Hour - 100
		if diff := got - want; (diff > 32 || diff < -32) && got < edge && want < edge {
			t.Errorf("%q in form %d is %v, want %v", s, form, got, want)
		}
	})
}

func TestAllocsTimeout(t *testing.T) {
	skipAllocsUnderRace(t)
	peers := ClassifierConfig{Peers: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	cl := Must(NewClassifier(peers))
	for _, value := range []string{"2", "250ms", "1m30.5s", "junk", "-1", strings.Repeat("9", 1000), ""} {
		r := allocRequest("192.0.2.1:1", "Request-Timeout: "+value)
		checkAllocs(t, clip(value, 8), 0, func() { cl(r) })
	}
	class := Class{User: 7}
	ctx := t.Context()
	checkAllocs(t, "WithClass", 1, func() { ctx = WithClass(t.Context(), class) }) //nolint:fatcontext // what is counted
	checkAllocs(t, "ClassFrom", 0, func() { class, _ = ClassFrom(ctx) })
}
