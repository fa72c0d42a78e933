package seawall

import (
	"net/netip"
	"strings"
)

// lastElement cuts the last element off an RFC 7239 list. Reading from the
// right, and knowing quoted strings, it finds the border of what the nearest
// proxy wrote whatever the client wrote: neither a quote left open to the left
// of it nor a comma in a quoted host moves it.
func lastElement(s string) (rest, element string, more bool) {
	quoted := false
	for i := len(s) - 1; i >= 0; i-- {
		switch s[i] {
		case '"':
			if !quoted || !escaped(s, i) {
				quoted = !quoted
			}
		case ',':
			if !quoted {
				return s[:i], s[i+1:], true
			}
		}
	}
	return "", s, false
}

// escaped reports whether an odd number of backslashes stands before s[i].
func escaped(s string, i int) bool {
	n := 0
	for i--; i >= 0 && s[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}

// parseForwarded reads the for parameter of one RFC 7239 element. Obfuscated
// identifiers and "unknown" are no addresses, and neither is anything in an
// element that breaks the grammar or says for twice: a host chosen by the
// client may stand beside it.
func parseForwarded(s string) netip.Addr {
	var addr netip.Addr
	for seen := false; ; {
		s = strings.TrimLeft(s, " \t;")
		if s == "" {
			return addr
		}
		name, rest, ok := strings.Cut(s, "=")
		if !ok || !validToken(name, false) {
			return netip.Addr{}
		}
		var value string
		if value, s, ok = cutValue(rest); !ok {
			return netip.Addr{}
		}
		if equalFold(name, "for") {
			if seen {
				return netip.Addr{}
			}
			seen, addr = true, parseHop(value)
		}
	}
}

// cutValue cuts off a quoted string, or what reaches to the next semicolon: a
// token, or an address with a port that should have been quoted.
func cutValue(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		value, rest, _ = strings.Cut(s, ";")
		value = strings.TrimRight(value, " \t")
		return value, rest, !strings.ContainsAny(value, "\"\\= \t")
	}
	for i := 1; i < len(s); i++ {
		if s[i] == '"' && !escaped(s, i) {
			rest = strings.TrimLeft(s[i+1:], " \t")
			return s[1:i], rest, rest == "" || rest[0] == ';'
		}
	}
	return "", "", false
}
