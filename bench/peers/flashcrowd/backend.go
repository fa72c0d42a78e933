package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// backendForms is what -backend takes: as examples/flashcrowd does.
const backendForms = "24x80ms, 24xlognormal:80ms:0.6, 8xbimodal:5ms:0.9:200ms or 24xconstant:80ms"

// defaultSigma is the spread of a backend that gives none: a coefficient of
// variation of 0.66.
const defaultSigma = 0.6

// parseBackend reads "slots x service time".
func parseBackend(text string) (spike.BackendConfig, error) {
	slots, service, _ := strings.Cut(text, "x")
	n, err := strconv.Atoi(slots)
	if err != nil || n < 1 {
		return spike.BackendConfig{}, fmt.Errorf("want %s", backendForms)
	}
	s, ok := parseService(strings.Split(service, ":"))
	if !ok {
		return spike.BackendConfig{}, fmt.Errorf("%q is no service time; want %s", service, backendForms)
	}
	cfg := spike.BackendConfig{Slots: n, Service: s}
	return cfg, cfg.Validate()
}

func parseService(parts []string) (_ spike.Service, ok bool) {
	arg := func(i int) time.Duration { // 0 is: none, or not one
		if i >= len(parts) {
			return 0
		}
		d, err := time.ParseDuration(parts[i])
		if err != nil {
			return 0
		}
		return d
	}
	number := func(i int) float64 {
		f, err := strconv.ParseFloat(parts[i], 64)
		if err != nil {
			return -1
		}
		return f
	}
	switch shape, n := parts[0], len(parts); {
	case n == 1:
		return spike.LogNormal(arg(0), defaultSigma), arg(0) > 0
	case shape == "lognormal" && n == 2:
		return spike.LogNormal(arg(1), defaultSigma), arg(1) > 0
	case shape == "lognormal" && n == 3:
		return spike.LogNormal(arg(1), number(2)), arg(1) > 0
	case shape == "bimodal" && n == 4:
		share := number(2)
		return spike.Bimodal(arg(1), share, arg(3)), arg(1) > 0 && arg(3) > 0 && share > 0 && share < 1
	case shape == "constant" && n == 2:
		return spike.Constant(arg(1)), arg(1) > 0
	}
	return spike.Service{}, false
}
