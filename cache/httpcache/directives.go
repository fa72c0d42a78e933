package httpcache

import (
	"net/http"
	"strings"
)

// directives are those of one Cache-Control field, or of one in its place.
type directives struct {
	noStore, noCache, private, public, mustUnderstand bool
	mustRevalidate, proxyRevalidate, onlyIfCached     bool
	conflict                                          bool // several ages that differ
	noCacheFields, privateFields                      []string

	// In seconds; absent where there is none.
	maxAge, sMaxage, staleRevalidate, staleError, minFresh, maxStale int64
}

const (
	absent = -1
	// mostSeconds is what a larger number of seconds is taken for (RFC 9111, 1.2.2).
	mostSeconds = 1 << 31
)

func noDirectives() directives {
	return directives{maxAge: absent, sMaxage: absent, staleRevalidate: absent, staleError: absent, minFresh: absent, maxStale: absent}
}

// parseDirectives reads the lines of a Cache-Control field. What is wrong is read
// in the stricter way: an age that is no number is 0, and what stands behind a
// semicolon or within quotes that do not end is heard, too.
func parseDirectives(lines []string) directives {
	d := noDirectives()
	for _, line := range lines {
		for line != "" {
			var name, arg string
			var has bool
			name, arg, has, line = nextDirective(line)
			d.take(name, arg, has)
		}
	}
	return d
}

const wrongArg = "?" // neither a number nor the name of a field

// nextDirective takes the first member off a list. A comma within quotes is none.
func nextDirective(s string) (name, arg string, has bool, rest string) {
	i := 0
	for i < len(s) && s[i] != ',' && s[i] != '=' && s[i] != ';' {
		i++
	}
	name = trimOWS(s[:i])
	if i == len(s) || s[i] != '=' {
		return name, "", false, s[min(i+1, len(s)):]
	}
	s = strings.TrimLeft(s[i+1:], " \t")
	quoted := false
	if s != "" && s[0] == '"' {
		arg, rest, quoted = unquote(s)
		if quoted {
			s = rest
		}
	}
	i = strings.IndexAny(s, ",;")
	if i < 0 {
		i = len(s)
	}
	switch text := trimOWS(s[:i]); {
	case i < len(s) && s[i] == ';', quoted && text != "":
		arg = wrongArg
	case !quoted:
		arg = text
	}
	return name, arg, true, s[min(i+1, len(s)):]
}

// unquote reads a quoted string at the beginning of s, if it has an end.
func unquote(s string) (text, rest string, ok bool) {
	i := 1
	escaped := false
	for i < len(s) && s[i] != '"' {
		if s[i] == '\\' {
			escaped = true
			i++
		}
		i++
	}
	if i >= len(s) {
		return "", s, false
	}
	text, rest = s[1:i], s[i+1:]
	if escaped {
		b := make([]byte, 0, len(text))
		for j := 0; j < len(text); j++ {
			if text[j] == '\\' && j+1 < len(text) {
				j++
			}
			b = append(b, text[j])
		}
		text = string(b)
	}
	return text, rest, true
}

func (d *directives) take(name, arg string, has bool) {
	switch {
	case !isToken(name): // EqualFold takes more letters for others than those of ASCII
	case strings.EqualFold(name, "no-store"):
		d.noStore = true
	case strings.EqualFold(name, "no-cache"):
		if fields := fieldNames(arg); has && fields != nil {
			d.noCacheFields = append(d.noCacheFields, fields...)
		} else {
			d.noCache = true
		}
	case strings.EqualFold(name, "private"):
		if fields := fieldNames(arg); has && fields != nil {
			d.privateFields = append(d.privateFields, fields...)
		} else {
			d.private = true
		}
	case strings.EqualFold(name, "public"):
		d.public = true
	case strings.EqualFold(name, "must-revalidate"):
		d.mustRevalidate = true
	case strings.EqualFold(name, "proxy-revalidate"):
		d.proxyRevalidate = true
	case strings.EqualFold(name, "must-understand"):
		d.mustUnderstand = true
	case strings.EqualFold(name, "only-if-cached"):
		d.onlyIfCached = true
	default:
		d.takeSeconds(name, arg, has)
	}
}

func (d *directives) takeSeconds(name, arg string, has bool) {
	n, ok := seconds(arg)
	switch {
	case strings.EqualFold(name, "max-age"):
		d.once(&d.maxAge, n)
	case strings.EqualFold(name, "s-maxage"):
		d.once(&d.sMaxage, n)
	case strings.EqualFold(name, "stale-while-revalidate"):
		least(&d.staleRevalidate, n)
	case strings.EqualFold(name, "stale-if-error"):
		least(&d.staleError, n)
	case strings.EqualFold(name, "min-fresh") && ok:
		d.minFresh = max(d.minFresh, n)
	case strings.EqualFold(name, "max-stale"):
		if !has { // whatever its age
			n, ok = mostSeconds, true
		}
		if ok {
			least(&d.maxStale, n)
		}
	}
}

// once notes the first of several ages.
func (d *directives) once(to *int64, n int64) {
	d.conflict = d.conflict || *to != absent && *to != n
	if *to == absent {
		*to = n
	}
}

// least notes the smallest of several times.
func least(to *int64, n int64) {
	if *to == absent || n < *to {
		*to = n
	}
}

// seconds reads delta-seconds; what is none is 0.
func seconds(s string) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(10*n+int64(c-'0'), mostSeconds)
	}
	return n, true
}

// fieldNames reads the list of field names in the argument of no-cache and private;
// nil if there is none.
func fieldNames(arg string) []string {
	var names []string
	for name := range strings.SplitSeq(arg, ",") {
		if name = trimOWS(name); name != "" {
			if !isToken(name) {
				return nil
			}
			names = append(names, http.CanonicalHeaderKey(name))
		}
	}
	return names
}

func trimOWS(s string) string { return strings.Trim(s, " \t") }

// isToken says whether s is a token (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
