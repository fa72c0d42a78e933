package seawall

import (
	"strings"
	"time"
)

// TimeoutHeader is the field in which a trusted peer says how long it waits for
// the answer, unless ClassifierConfig.TimeoutHeader names another one: seconds,
// as in "2" or "0.25".
const TimeoutHeader = "Request-Timeout"

// maxTimeout is the longest wait that is believed. Beyond it a field says no
// more than "forever".
const maxTimeout = 24 * time.Hour

// timeoutForm is how the values of a field are written.
type timeoutForm uint8

const (
	inSeconds timeoutForm = iota // a number of seconds, or a duration as Go writes it
	inMillis                     // the same with milliseconds
	inGRPC                       // gRPC over HTTP/2: digits and one of H M S m u n
)

// timeoutFormOf goes by the field's name.
func timeoutFormOf(name string) timeoutForm {
	switch n := len(name); {
	case equalFold(name, "Grpc-Timeout"):
		return inGRPC
	case n > 3 && equalFold(name[n-3:], "-Ms"):
		return inMillis
	default:
		return inSeconds
	}
}

// parse returns zero for what is no wait between 1 ns and 24 h. It allocates
// nothing, whatever comes.
func (f timeoutForm) parse(s string) time.Duration {
	if s = strings.Trim(s, " \t"); len(s) > 32 {
		return 0
	}
	var d time.Duration
	switch f {
	case inGRPC:
		d = parseGRPCTimeout(s)
	case inMillis:
		d = parseTimeout(s, time.Millisecond)
	default:
		d = parseTimeout(s, time.Second)
	}
	if d > maxTimeout {
		return 0
	}
	return d
}

// parseGRPCTimeout reads at most eight digits and a unit.
func parseGRPCTimeout(s string) time.Duration {
	if len(s) < 2 || len(s) > 9 {
		return 0
	}
	var unit time.Duration
	switch s[len(s)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	default:
		return 0
	}
	var v time.Duration
	for i := range len(s) - 1 {
		c := s[i] - '0'
		if c > 9 {
			return 0
		}
		v = v*10 + time.Duration(c)
	}
	if v > maxTimeout/unit {
		return 0
	}
	return v * unit //nolint:durationcheck // a number of units
}

// parseTimeout reads a number in a unit that is understood, or what
// time.ParseDuration would take without a sign: that makes an error of what it
// does not like, and errors allocate.
func parseTimeout(s string, unit time.Duration) time.Duration {
	var total time.Duration
	for whole := true; s != ""; whole = false {
		number, rest := cutNumber(s)
		var u time.Duration
		u, s = cutUnit(rest)
		if u == 0 {
			if !whole || rest != "" {
				return 0
			}
			u = unit
		}
		d, ok := times(number, u)
		if !ok {
			return 0
		}
		if total += d; total > maxTimeout {
			return 0
		}
	}
	return total
}

// cutNumber cuts off digits and points.
func cutNumber(s string) (number, rest string) {
	i := 0
	for i < len(s) && (s[i]-'0' <= 9 || s[i] == '.') {
		i++
	}
	return s[:i], s[i:]
}

// cutUnit cuts off a unit of Go's durations; zero is none.
func cutUnit(s string) (unit time.Duration, rest string) {
	i := 0
	for i < len(s) && s[i]-'0' > 9 && s[i] != '.' {
		i++
	}
	switch s[:i] {
	case "ns":
		unit = time.Nanosecond
	case "us", "µs", "μs":
		unit = time.Microsecond
	case "ms":
		unit = time.Millisecond
	case "s":
		unit = time.Second
	case "m":
		unit = time.Minute
	case "h":
		unit = time.Hour
	default:
	}
	return unit, s[i:]
}

// times multiplies a decimal number by a unit, down to the nanosecond. It
// reports false for what is no number, and for more than a day.
func times(number string, unit time.Duration) (time.Duration, bool) {
	var d, fraction time.Duration
	scale, point, digits := unit, false, 0
	for i := range len(number) {
		c := number[i]
		if c == '.' {
			if point {
				return 0, false
			}
			point = true
			continue
		}
		digits++
		v := time.Duration(c - '0')
		if !point {
			if d = d*10 + v; d > maxTimeout/unit {
				return 0, false
			}
			continue
		}
		scale /= 10
		fraction += v * scale //nolint:durationcheck // a number of units
	}
	return d*unit + fraction, digits > 0 //nolint:durationcheck // a number of units
}
