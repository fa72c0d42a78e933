package spike_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

func TestParseBackend(t *testing.T) {
	for text, want := range map[string]struct {
		slots int
		mean  time.Duration
		modes int
		sigma float64
	}{
		"24x80ms":                 {24, 80 * time.Millisecond, 1, 0.6},
		"100x0.2s":                {100, 200 * time.Millisecond, 1, 0.6},
		"24xlognormal:80ms":       {24, 80 * time.Millisecond, 1, 0.6},
		"24xlognormal:80ms:0.3":   {24, 80 * time.Millisecond, 1, 0.3},
		"8xbimodal:5ms:0.9:200ms": {8, 24500 * time.Microsecond, 2, 0},
		"1xconstant:1ms":          {1, time.Millisecond, 1, 0},
	} {
		got, err := spike.ParseBackend(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if d := got.Service.Mean() - want.mean; got.Slots != want.slots || d.Abs() > time.Microsecond ||
			len(got.Service.Modes) != want.modes || got.Service.Modes[0].Sigma != want.sigma {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestParseBackendErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "want 24x80ms",
		"24":                      "want 24x80ms",
		"x80ms":                   `slots "" is not a positive whole number`,
		"-3x80ms":                 `slots "-3" is not`,
		"2.5x80ms":                `slots "2.5" is not`,
		"24x80":                   `"80" is not a positive time such as 80ms`,
		"24x-80ms":                `"-80ms" is not a positive time`,
		"24x":                     `"" is not a positive time`,
		"24x2h":                   "Mean must be",
		"9999999x80ms":            "Slots must be between",
		"24xnormal:80ms":          `"normal:80ms" is no service time; want`,
		"24xlognormal:80ms:wide":  `the sigma "wide" is not a number`,
		"24xlognormal:80ms:9":     "Sigma must be between",
		"24xlognormal:80ms:1:2":   "is no service time",
		"8xbimodal:5ms:0.9":       "is no service time",
		"8xbimodal:5ms:1.5:200ms": `share "1.5" of the fast ones is not between 0 and 1`,
		"8xbimodal:5ms:NaN:200ms": "Share",
		"24xconstant:80ms:1":      "is no service time",
	} {
		_, err := spike.ParseBackend(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// What is accepted can be run: it has a capacity and the scenarios know it.
func FuzzParseBackend(f *testing.F) {
	for _, text := range []string{
		"24x80ms", "24xlognormal:80ms:0.6", "8xbimodal:5ms:0.9:200ms", "24xconstant:80ms", "1x1ns", "1000000x1h",
		"8xbimodal:5ms:NaN:200ms", "24xlognormal:80ms:1e308", "0x1s", "x", ":::", "24x80ms:", "+1x1s",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := spike.ParseBackend(text)
		if err != nil {
			return
		}
		if c := cfg.Capacity(); !(c > 0) {
			t.Errorf("%q: capacity %v", text, c)
		}
		if cfg.Validate() != nil || cfg.Slots < 1 {
			t.Errorf("%q: %+v", text, cfg)
		}
	})
}

// A backend from a flag.
func ExampleParseBackend() {
	cfg := seawall.Must(spike.ParseBackend("8xbimodal:5ms:0.9:200ms"))
	fmt.Println(cfg.Slots, cfg.Service.Mean())
	// Output: 8 24.5ms
}
