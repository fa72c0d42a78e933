package shed_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// BenchmarkTransport is what the Transport adds to a request that costs nothing.
func BenchmarkTransport(b *testing.B) {
	line := []string{"normal/0"}
	for _, c := range []struct {
		name      string
		status    int
		floor     bool
		propagate bool
		priority  seawall.Priority
	}{
		{"sent", 200, false, false, seawall.Normal},
		{"propagated", 200, false, true, seawall.Normal},
		{"under a floor", 200, true, false, seawall.Critical},
		{"floored", 200, true, false, seawall.Background},
		{"throttled", 503, false, false, seawall.Background},
	} {
		b.Run(c.name, func(b *testing.B) {
			host := base(func(*http.Request) (*http.Response, error) {
				resp := &http.Response{StatusCode: c.status, Body: http.NoBody}
				if c.floor {
					resp.Header = http.Header{"Seawall-Floor": line}
				}
				return resp, nil
			})
			tr := outbound(b, shed.TransportConfig{Base: host, Propagate: c.propagate})
			ask(b, tr, of(seawall.Critical), "a")
			r, _ := http.NewRequestWithContext(seawall.WithClass(b.Context(), seawall.Class{Priority: c.priority, User: 7}), http.MethodGet, "http://a/", nil)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					tr.RoundTrip(r)
				}
			})
		})
	}
}

// BenchmarkTransportHosts asks 64 hosts in turn.
func BenchmarkTransportHosts(b *testing.B) {
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	tr := outbound(b, shed.TransportConfig{Base: base(func(*http.Request) (*http.Response, error) { return resp, nil })})
	var all []*http.Request
	for i := range 64 {
		r, _ := http.NewRequestWithContext(b.Context(), http.MethodGet, fmt.Sprintf("http://host%d/", i), nil)
		all = append(all, r)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		tr.RoundTrip(all[i%64])
		i++
	}
}
