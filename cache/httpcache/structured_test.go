package httpcache

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestTargetedForm: what is no dictionary of structured fields counts as absent
// (RFC 9213, 2.1; RFC 9651, 4.2).
func TestTargetedForm(t *testing.T) {
	for _, s := range []string{
		"max-age=60", "  max-age=60  ", "max-age=60 \t", "max-age=60\t,\t no-cache", "max-age=60,no-cache", "max-age=60;a;b=1;  c=\"d\"", "a", "*a=1", "a*_-.9=1",
		"a=-1", "a=0", "a=00", "a=-0", "a=999999999999999", "a=-999999999999999", "a=1.5", "a=-1.123", "a=123456789012.123",
		`a=""`, `a="x y"`, `a="\""`, `a="\\"`, `a="x, y; z=1"`, "a=token", "a=*token", "a=t:o/k#e~n", "a=T",
		"a=?1", "a=?0", "a=:aGVsbG8=:", "a=:aGVsbG8:", "a=::", "a=@1659578233", "a=@-1", `a=%""`, `a=%"f%c3%bc"`, `a=%"x y"`,
		"a=()", "a=( )", "a=(1)", "a=( 1  2 )", `a=("x" y;q=1 ?0);z`, "a=1;*b", "a;b=?0", "a,b,c", "a=1, a=2",
	} {
		if _, ok := parseTargeted([]string{s}); !ok {
			t.Errorf("%q is one", s)
		}
	}
	for _, s := range []string{
		"", " ", "\tmax-age=60", "max-age=60,", "max-age=60, ", ",max-age=60", "max-age=60,,a", "max-age=60 no-cache", "max-age=60 ; a", "max-age=60;",
		"Max-Age=60", "max-age =60", "max-age= 60", "max-age=", "max-age=60=1", "1a=1", "-a=1", "a b", "a/b", "é=1", "a=é",
		"a=1000000000000000", "a=--1", "a=-", "a=+1", "a=1.", "a=.5", "a=1.2345", "a=1234567890123.1", "a=1.5.5", "a=1e3", "a=60s", "a=0x10",
		`a="`, `a="x`, `a="\x"`, `a="\`, "a=\"\x00\"", "a=\"\x7f\"", "a=\"é\"", `a="x"y`, "a='x'",
		"a=?", "a=?2", "a=?true", "a=:", "a=:aGVsbG8=", "a=:aGVs bG8=:", "a=:=aGVsbG8=:", "a=:a:", "a=:aGVs_G8=:", "a=@", "a=@1.5", "a=@a",
		`a=%`, `a=%"`, `a=%x`, `a=%"%"`, `a=%"%C3%BC"`, `a=%"%c3"`, `a=%"%ff"`, `a=%"%c"`, "a=%\"é\"",
		"a=(", "a=(1", "a=(1,2)", `a=("x""y")`, "a=(1 2", "a=((1))", "a=)", "a=1;B", "a=1;b=", "a=1;b=()", "a;=1",
	} {
		if d, ok := parseTargeted([]string{s}); ok {
			t.Errorf("%q is none: %+v", s, d)
		}
	}
	for _, lines := range [][]string{{"a=1", ""}, {"", "a=1"}, {"a=1", "", "b"}, {"a=(1", "2)"}, {`a="x`, `y"`}, nil} {
		if _, ok := parseTargeted(lines); ok && !slices.Equal(lines, []string{`a="x`, `y"`}) {
			t.Errorf("%q is none", lines)
		}
	}
}

// TestTargeted: what a targeted field says (RFC 9213, 2.1). The last of several
// counts, and a value of the wrong type makes the field count as absent.
func TestTargeted(t *testing.T) {
	for s, f := range map[string]func(d *directives){
		"max-age=60":                          func(d *directives) { d.maxAge = 60 },
		"max-age=60;x=y, ext=1, b":            func(d *directives) { d.maxAge = 60 },
		"max-age=60, max-age=30":              func(d *directives) { d.maxAge = 30 },
		"max-age=999999999999999":             func(d *directives) { d.maxAge = mostSeconds },
		"max-age=-1":                          func(d *directives) { d.maxAge = 0 },
		"s-maxage=9, stale-if-error=1":        func(d *directives) { d.sMaxage, d.staleError = 9, 1 },
		"stale-while-revalidate=2":            func(d *directives) { d.staleRevalidate = 2 },
		"no-store":                            func(d *directives) { d.noStore = true },
		"no-store=?1":                         func(d *directives) { d.noStore = true },
		"no-store=?0":                         func(*directives) {},
		"no-cache, private":                   func(d *directives) { d.noCache, d.private = true, true },
		`no-cache="a, b"`:                     func(d *directives) { d.noCacheFields = []string{"A", "B"} },
		`private="set-cookie"`:                func(d *directives) { d.privateFields = []string{"Set-Cookie"} },
		"no-cache=?0":                         func(*directives) {},
		"must-revalidate, public":             func(d *directives) { d.mustRevalidate, d.public = true, true },
		"proxy-revalidate, must-understand":   func(d *directives) { d.proxyRevalidate, d.mustUnderstand = true, true },
		"nonsense, max-ag=1, xmax-age=2, s=3": func(*directives) {},
	} {
		want := noDirectives()
		f(&want)
		if got, ok := parseTargeted(strings.Split(s, "|")); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v\n%+v\n%+v", s, ok, got, want)
		}
	}
	for _, s := range []string{
		"max-age=30, max-age", "max-age=60.0", `max-age="60"`, "max-age=@60", "max-age=(60)", "max-age=?1", "max-age=60, no-store=1", `public="x"`, "no-cache=token", "private=1",
	} {
		if got, ok := parseTargeted([]string{s}); ok || !reflect.DeepEqual(got, noDirectives()) {
			t.Errorf("%q: %v %+v", s, ok, got)
		}
	}
	if got, ok := parseTargeted([]string{"max-age=1", "no-cache"}); !ok || got.maxAge != 1 || !got.noCache {
		t.Errorf("two lines: %v %+v", ok, got)
	}
}
