package main

import (
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall/spike"
)

func TestParseMix(t *testing.T) {
	if m, err := parseMix("10/50/40"); err != nil || m != (spike.Mix{Critical: 10, Normal: 50, Sheddable: 40}) {
		t.Errorf("got %+v, %v", m, err)
	}
	if m, err := parseMix("0/0/0.5/1"); err != nil || m != (spike.Mix{Sheddable: 0.5, Background: 1}) {
		t.Errorf("got %+v, %v", m, err)
	}
	for text, want := range map[string]string{
		"": "want Critical", "1/2": "want Critical", "1/2/3/4/5": "want Critical",
		"1/x/3": `"x" is not a share`, "1/-2/3": `"-2" is not a share`, "1/NaN/3": `"NaN" is not a share`, "1/Inf/3": `"Inf" is not`,
		"0/0/0": "all shares are 0",
	} {
		if _, err := parseMix(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if got := describeMix(spike.Mix{Critical: 1, Sheddable: 3}); got != "25 % Critical, 75 % Sheddable" {
		t.Errorf("described as %q", got)
	}
}

func FuzzParseMix(f *testing.F) {
	for _, text := range []string{"10/50/40", "10/50/40/0", "0/0/0", "1/2", "1e6/0/0", "NaN/1/1", "1/-0/0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMix(text)
		if err != nil {
			return
		}
		l := spike.Load{Profile: spike.Steady(1), Duration: time.Second, Mix: m}
		if err := l.Validate(); err != nil {
			t.Errorf("%q is accepted, but %v", text, err)
		}
		if describeMix(m) == "" {
			t.Errorf("%q cannot be described", text)
		}
	})
}
