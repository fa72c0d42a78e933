package seawall

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// MarshalJSON writes null for a Value that is not a number or infinite: JSON
// has no word for those, and one of them must not cost the whole page.
func (m Metric) MarshalJSON() ([]byte, error) {
	type plain Metric
	out := struct {
		plain
		Value *float64 `json:"value"`
	}{plain: plain(m)}
	if !math.IsNaN(m.Value) && !math.IsInf(m.Value, 0) {
		out.Value = &m.Value
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads null as NaN, so that what is unknown does not become 0.
func (m *Metric) UnmarshalJSON(text []byte) error {
	type plain Metric
	in := struct {
		*plain
		Value *float64 `json:"value"`
	}{plain: (*plain)(m)}
	if err := json.Unmarshal(text, &in); err != nil {
		return fmt.Errorf("seawall: metric: %w", err)
	}
	m.Value = math.NaN()
	if in.Value != nil {
		m.Value = *in.Value
	}
	return nil
}

// MarshalJSON always succeeds: a Detail that cannot be written is left out, and
// "detail_error" says why. (expvar throws errors away, and with them the page.)
func (s Snapshot) MarshalJSON() ([]byte, error) {
	type plain Snapshot
	out := struct {
		plain
		Detail json.RawMessage `json:"detail,omitempty"`
		Error  string          `json:"detail_error,omitempty"`
	}{plain: plain(s)}
	if y := s.At.Year(); y < 0 || y > 9999 { // which package time refuses
		out.At = time.Time{}
	}
	if s.Detail != nil {
		detail, err := json.Marshal(s.Detail)
		if err != nil {
			out.Error = clip(err.Error(), 256)
		} else {
			out.Detail = detail
		}
	}
	return json.Marshal(out)
}

// Var returns a function of the shape that package expvar publishes:
//
//	expvar.Publish("shed", expvar.Func(seawall.Var(shedder)))
//
// This package does not import expvar itself, because that serves /debug/vars
// to everybody who can reach http.DefaultServeMux.
func Var(s Snapshotter) func() any {
	return func() any {
		if s == nil {
			return nil
		}
		return s.Snapshot()
	}
}
