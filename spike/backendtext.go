package spike

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// BackendForms is what ParseBackend takes, for the help of a flag.
const BackendForms = "24x80ms, 24xlognormal:80ms:0.6, 8xbimodal:5ms:0.9:200ms or 24xconstant:80ms"

// defaultSigma is the spread of a backend that gives none: a coefficient of
// variation of 0.66.
const defaultSigma = 0.6

// ParseBackend reads "slots x service time":
//
//	24x80ms                   log-normal, mean 80 ms, sigma 0.6
//	24xlognormal:80ms:0.3     the same with another sigma
//	8xbimodal:5ms:0.9:200ms   9 of 10 take 5 ms, the others 200 ms
//	24xconstant:80ms          always 80 ms
func ParseBackend(text string) (BackendConfig, error) {
	slots, service, ok := strings.Cut(text, "x")
	if !ok {
		return BackendConfig{}, fmt.Errorf("want %s", BackendForms)
	}
	n, err := strconv.Atoi(slots)
	if err != nil || n < 1 {
		return BackendConfig{}, fmt.Errorf("the number of slots %q is not a positive whole number", slots)
	}
	svc, err := parseService(service)
	if err != nil {
		return BackendConfig{}, err
	}
	cfg := BackendConfig{Slots: n, Service: svc}
	return cfg, cfg.Validate()
}

func parseService(text string) (Service, error) {
	shape, rest, ok := strings.Cut(text, ":")
	if !ok {
		mean, err := parseServiceTime(text)
		return LogNormal(mean, defaultSigma), err
	}
	args := strings.Split(rest, ":")
	switch {
	case shape == "lognormal" && len(args) <= 2:
		mean, err := parseServiceTime(args[0])
		sigma := defaultSigma
		if len(args) == 2 {
			var bad error
			sigma, bad = parseServiceNumber("sigma", args[1])
			err = errors.Join(err, bad)
		}
		return LogNormal(mean, sigma), err
	case shape == "bimodal" && len(args) == 3:
		fast, err1 := parseServiceTime(args[0])
		share, err2 := parseServiceNumber("share", args[1])
		slow, err3 := parseServiceTime(args[2])
		if err2 == nil && (share <= 0 || share >= 1) {
			err2 = fmt.Errorf("the share %q of the fast ones is not between 0 and 1", args[1])
		}
		return Bimodal(fast, share, slow), errors.Join(err1, err2, err3)
	case shape == "constant" && len(args) == 1:
		d, err := parseServiceTime(args[0])
		return Constant(d), err
	}
	return Service{}, fmt.Errorf("%q is no service time; want %s", text, BackendForms)
}

func parseServiceTime(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a positive time such as 80ms; want %s", text, BackendForms)
	}
	return d, nil
}

func parseServiceNumber(what, text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("the %s %q is not a number", what, text)
	}
	return f, nil
}
