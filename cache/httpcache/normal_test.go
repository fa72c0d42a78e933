package httpcache

import (
	"fmt"
	"slices"
	"testing"
)

// TestNormalRemembered: what is remembered is what would be found out, also when
// values take each other's place, and for the same value of another field.
func TestNormalRemembered(t *testing.T) {
	h := newCache(t, Config{})
	names := []string{"Accept-Encoding", "Accept-Language", "Accept", "Cookie"}
	values := [][]string{nil, {}, {""}, {" "}, {"gzip, br"}, {"GZIP;q=0.5,br"}, {"gzip", "br"}, {"de;q=x"}, {"de, en;q=0.5"}, {`a="b,c"`}, {" one"}, {"one\t"}, {"one"}}
	for i := range 4 * normalPlaces {
		values = append(values, []string{fmt.Sprintf("x%d, y;q=0.%d", i, i%10)})
	}
	for range 2 {
		for _, v := range values {
			for _, name := range names {
				if got, want := h.normal(name, v), normalized(name, v); !slices.Equal(got, want) || (got == nil) != (want == nil) {
					t.Errorf("%s: %q: got %q, want %q", name, v, got, want)
				}
			}
		}
	}
}

// TestNormalForgets: nothing is remembered that may tell who somebody is, or that is
// longer than what browsers send.
func TestNormalForgets(t *testing.T) {
	h := newCache(t, Config{})
	remembered := func() (n int) {
		for i := range h.normals {
			if h.normals[i].Load() != nil {
				n++
			}
		}
		return n
	}
	h.normal("Cookie", []string{"session=1"})
	h.normal("X-User", []string{"anna, berta"})
	h.normal("Accept-Language", []string{fmt.Sprintf("%*s", normalLongest+1, "de")})
	if n := remembered(); n != 0 {
		t.Errorf("%d remembered", n)
	}
	h.normal("Accept-Language", []string{"de"})
	if n := remembered(); n != 1 {
		t.Errorf("%d remembered, want 1", n)
	}
	// The two fields have the same normal form today, and need not for ever.
	h.normal("Accept-Encoding", []string{"de"})
	for i := range h.normals {
		if p := h.normals[i].Load(); p != nil && p.name != "Accept-Encoding" {
			t.Errorf("what %s means was taken for what Accept-Encoding does", p.name)
		}
	}
}

// TestOneMember: a list of one is in its normal form as it is.
func TestOneMember(t *testing.T) {
	for _, v := range []string{"", " ", "one", " one", "one\t", `a="b`, `"a\`, `"a, b"`, `a="b,c";d`, "a,b", "a ,b", ",a", "a,", ",", "two words"} {
		alone, many := normalized("Accept", []string{v}), normalized("Accept", []string{v, ""})
		if !slices.Equal(alone, many) {
			t.Errorf("%q: %q alone, %q with an empty line", v, alone, many)
		}
	}
}
