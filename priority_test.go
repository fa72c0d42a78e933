package seawall

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestPriorityOrder(t *testing.T) {
	var zero Priority
	if zero != Normal {
		t.Errorf("the zero value is %v, want normal", zero)
	}
	all := Priorities()
	if len(all) != NumPriorities {
		t.Fatalf("%d priorities, want %d", len(all), NumPriorities)
	}
	if !slices.IsSortedFunc(all[:], func(a, b Priority) int { return int(b) - int(a) }) {
		t.Errorf("Priorities() = %v, want the highest first", all)
	}
	if !(Background < Sheddable && Sheddable < Normal && Normal < Critical) {
		t.Error("constants out of order")
	}
}

func TestPriorityNames(t *testing.T) {
	for p, name := range map[Priority]string{Background: "background", Sheddable: "sheddable", Normal: "normal", Critical: "critical"} {
		if p.String() != name || !p.Valid() {
			t.Errorf("%d: String() = %q, Valid() = %t", int8(p), p, p.Valid())
		}
		for _, s := range []string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]} {
			if got, err := ParsePriority(s); err != nil || got != p {
				t.Errorf("ParsePriority(%q) = %v, %v", s, got, err)
			}
		}
	}
	for _, p := range []Priority{-128, -3, 2, 127} {
		if p.Valid() {
			t.Errorf("%d is valid", int8(p))
		}
		if s := p.String(); !strings.HasPrefix(s, "priority(") {
			t.Errorf("String() of %d = %q", int8(p), s)
		}
		if _, err := p.MarshalText(); err == nil || !strings.Contains(err.Error(), "between -2 and 1") {
			t.Errorf("MarshalText of %d: %v, want an error that names the bounds", int8(p), err)
		}
	}
}

func TestParsePriorityRefuses(t *testing.T) {
	for _, s := range []string{"", " ", "high", "critical ", " critical", "critical,normal", "critical\x00", "2", "criticaL1",
		"bac\u212Aground", // a Kelvin sign for the k
		"ſheddable",       // a long s for the s
	} {
		if p, err := ParsePriority(s); err == nil || p != Normal {
			t.Errorf("ParsePriority(%q) = %v, %v; want normal and an error", s, p, err)
		}
	}
	_, err := ParsePriority(strings.Repeat("x", 1<<20))
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("the error repeats all of an endless value")
	}
	if _, err = ParsePriority("a\r\nb"); strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("line breaks in the error: %q", err)
	}
}

func TestPriorityInJSON(t *testing.T) {
	type config struct {
		P Priority
		M map[Priority]int
	}
	in := config{P: Critical, M: map[Priority]int{Background: 3}}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"P":"critical","M":{"background":3}}`; string(text) != want {
		t.Errorf("JSON %s, want %s", text, want)
	}
	var out config
	if err := json.Unmarshal(text, &out); err != nil || out.P != Critical || out.M[Background] != 3 {
		t.Errorf("read back %+v, %v", out, err)
	}
	p := Sheddable
	if err := p.UnmarshalText([]byte("urgent")); err == nil || p != Sheddable {
		t.Errorf("a bad name left %v, %v; want the old value and an error", p, err)
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "abc..."}} {
		if got := clip(c.in, c.n); got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}
