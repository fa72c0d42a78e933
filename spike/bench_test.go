package spike

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// BenchmarkRun is what the generator costs a request, without a target.
func BenchmarkRun(b *testing.B) {
	b.ReportAllocs()
	// All are due at once: the generator sends as fast as it can.
	l := Load{Profile: Steady(1e6), Duration: time.Duration(b.N) * time.Microsecond, MaxRequests: maxRequests, MaxInFlight: maxInFlight}
	rec, err := l.Run(context.Background(), instant, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(rec.Samples))/float64(b.N), "requests/op")
}

func BenchmarkDraw(b *testing.B) {
	l, err := (Load{Profile: Step(1e5, 1e6, time.Second, time.Hour), Duration: maxDuration}).resolve()
	if err != nil {
		b.Fatal(err)
	}
	due, who := newArrivals(l), newPeople(l)
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		at, _ := due.draw()
		_ = who.draw(n, at)
		n++
	}
}

// BenchmarkHTTPTarget is a whole exchange over loopback: the time includes the
// server's.
func BenchmarkHTTPTarget(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer srv.Close()
	target, err := NewHTTPTarget(HTTPConfig{URL: srv.URL})
	if err != nil {
		b.Fatal(err)
	}
	defer target.Close()
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if o := target.Do(ctx, &Request{User: 7}); o != Rejected {
			b.Fatal(o)
		}
		cancel()
	}
}

func BenchmarkOracle(b *testing.B) {
	o, err := NewOracle(OracleConfig{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		release, err := o.Acquire(context.Background(), seawall.Normal, 1)
		if err != nil {
			b.Fatal(err)
		}
		release()
	}
}

func BenchmarkAnalyze(b *testing.B) {
	sc := plain()
	var h hand
	h.rec.Load = sc.Load
	h.add(20_000, 0, 6*sec, Sample{Latency: 80 * ms})
	b.ReportAllocs()
	for b.Loop() {
		Analyze(&h.rec, sc, BackendStats{})
	}
}

func BenchmarkRecord(b *testing.B) {
	var h hand
	h.add(20_000, 0, 6*sec, Sample{Latency: 80 * ms})
	data := encode(b, &h.rec)
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			_, _ = h.rec.WriteTo(io.Discard)
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := ReadRecord(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
