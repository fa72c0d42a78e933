package ratelimit

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// item is one of a List of Strings with Integer parameters (RFC 9651), which is
// what RateLimit and RateLimit-Policy are.
type item struct {
	name   string
	params map[string]int64
}

// parseList is strict where the RFC is: what it refuses is no such list.
func parseList(s string) (list []item, err error) {
	for {
		var one item
		if one, s, err = parseItem(s); err != nil {
			return nil, err
		}
		list = append(list, one)
		if s = strings.TrimLeft(s, " \t"); s == "" {
			return list, nil
		}
		if s[0] != ',' {
			return nil, fmt.Errorf("a comma is missing before %q", s)
		}
		s = strings.TrimLeft(s[1:], " \t") // and an item has to follow
	}
}

func parseItem(s string) (one item, rest string, err error) {
	if one.name, s, err = parseString(s); err != nil {
		return one, s, err
	}
	one.params = map[string]int64{}
	for strings.HasPrefix(s, ";") {
		key, value, ok := strings.Cut(strings.TrimLeft(s[1:], " "), "=")
		if !ok || key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_-.*") != "" || !strings.ContainsAny(key[:1], "abcdefghijklmnopqrstuvwxyz*") {
			return one, s, fmt.Errorf("%q is no key with a value", s)
		}
		end := 0
		for end < len(value) && (value[end] >= '0' && value[end] <= '9' || end == 0 && value[end] == '-') {
			end++
		}
		if digits := len(strings.TrimPrefix(value[:end], "-")); digits < 1 || digits > 15 {
			return one, s, fmt.Errorf("%s has %d digits of 1 to 15", key, digits)
		}
		if _, twice := one.params[key]; twice {
			return one, s, fmt.Errorf("%s comes twice", key)
		}
		one.params[key], _ = strconv.ParseInt(value[:end], 10, 64)
		s = value[end:]
	}
	return one, s, nil
}

func parseString(s string) (value, rest string, err error) {
	if s == "" || s[0] != '"' {
		return "", s, fmt.Errorf("%q is no String", s)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], nil
		case c == '\\':
			i++
			if i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", s, fmt.Errorf("%q escapes what needs no escape", s)
			}
			b.WriteByte(s[i])
		case c < 0x20 || c > 0x7e:
			return "", s, fmt.Errorf("%q holds %#x", s, c)
		default:
			b.WriteByte(c)
		}
	}
	return "", s, fmt.Errorf("%q has no end", s)
}

func TestParseList(t *testing.T) {
	list, err := parseList(`"a\"b";q=1;w=60 ,	"c";r=-2,"d"`)
	if want := `[{a"b map[q:1 w:60]} {c map[r:-2]} {d map[]}]`; err != nil || fmt.Sprint(list) != want {
		t.Errorf("%v %v", list, err)
	}
	for _, s := range []string{
		"", "a", `"a`, `"a",`, `"a" "b"`, `"a"; q`, `"a";Q=1`, `"a";q=`, `"a";q=x`, `"a";q=1;q=2`, `"a";q=1234567890123456`, "\"\n\"", `"\n"`,
	} {
		if list, err := parseList(s); err == nil {
			t.Errorf("%q is read as %v", s, list)
		}
	}
}

// fields are what a response says in both, by policy.
type fields struct {
	names []string // in their order
	r, t  map[string]int64
	q, w  map[string]int64
}

// fieldsOf reads them, and complains of all that the draft does not allow.
func fieldsOf(t testing.TB, h http.Header) (f fields) {
	t.Helper()
	f = fields{r: map[string]int64{}, t: map[string]int64{}, q: map[string]int64{}, w: map[string]int64{}}
	if h["Ratelimit"] == nil && h["Ratelimit-Policy"] == nil {
		return f
	}
	policies := map[string]bool{}
	for _, one := range parseField(t, h, "Ratelimit-Policy", "q", "w") {
		policies[one.name] = true
		f.q[one.name], f.w[one.name] = one.params["q"], one.params["w"]
		if one.params["w"] == 0 {
			t.Errorf("%q has no window", one.name)
		}
	}
	for _, one := range parseField(t, h, "Ratelimit", "r", "t") {
		if !policies[one.name] {
			t.Errorf("%q has no policy", one.name)
		}
		f.names = append(f.names, one.name)
		f.r[one.name], f.t[one.name] = one.params["r"], one.params["t"]
	}
	if len(policies) != len(f.names) {
		t.Errorf("%d policies for %d limits", len(policies), len(f.names))
	}
	return f
}

func parseField(t testing.TB, h http.Header, name string, params ...string) []item {
	t.Helper()
	list, err := parseList(strings.Join(h[name], ", "))
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	seen := map[string]bool{}
	for _, one := range list {
		if seen[one.name] {
			t.Errorf("%s: %q comes twice", name, one.name)
		}
		seen[one.name] = true
		for _, p := range params {
			if v, ok := one.params[p]; !ok || v < 0 {
				t.Errorf("%s: %q has %s=%d", name, one.name, p, v)
			}
		}
		if len(one.params) != len(params) {
			t.Errorf("%s: %q has more than %v: %v", name, one.name, params, one.params)
		}
	}
	return list
}
