package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/seawall-go/seawall/spike"
)

// mixForm is what -mix takes.
const mixForm = "Critical/Normal/Sheddable or Critical/Normal/Sheddable/Background, such as 10/50/40"

// defaultMix is that of spike.Scenarios.
const defaultMix = "10/50/40"

// parseMix reads shares of priorities. They need not add up to 100.
func parseMix(text string) (spike.Mix, error) {
	parts := strings.Split(text, "/")
	if len(parts) < 3 || len(parts) > 4 {
		return spike.Mix{}, errors.New("want " + mixForm)
	}
	var m spike.Mix
	sum := 0.0
	for i, to := range []*float64{&m.Critical, &m.Normal, &m.Sheddable, &m.Background}[:len(parts)] {
		v, err := strconv.ParseFloat(parts[i], 64)
		if err != nil || !(v >= 0 && v <= 1e6) {
			return spike.Mix{}, fmt.Errorf("%q is not a share between 0 and 1e6; want %s", parts[i], mixForm)
		}
		*to = v
		sum += v
	}
	if sum == 0 {
		return spike.Mix{}, errors.New("all shares are 0")
	}
	return m, nil
}

// describeMix is "5 % Critical, 55 % Normal, 40 % Sheddable".
func describeMix(m spike.Mix) string {
	var parts []string
	sum := m.Critical + m.Normal + m.Sheddable + m.Background
	for i, w := range []float64{m.Critical, m.Normal, m.Sheddable, m.Background} {
		if w > 0 {
			parts = append(parts, whole(w/sum)+" "+[]string{"Critical", "Normal", "Sheddable", "Background"}[i])
		}
	}
	return strings.Join(parts, ", ")
}
