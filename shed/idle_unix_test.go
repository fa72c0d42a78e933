//go:build unix

package shed

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

//house:sleep what a process uses of the processor while nothing happens takes time to measure

// BenchmarkIdle reports the processor time that 10,000 Shedders take in a
// second without requests, as cpu-ns/s, all of them together. The process has
// a runtime, which takes some for itself: none-cpu-ns/s is the same without
// Shedders. The share of a core is a billionth of either.
func BenchmarkIdle(b *testing.B) {
	idle := func() float64 {
		runtime.GC()
		const pause = time.Second
		before := processor(b)
		time.Sleep(pause)
		return float64(processor(b)-before) / pause.Seconds()
	}
	var with, without float64
	for range b.N {
		without += idle()
		shedders := make([]*Shedder, 10_000)
		for i := range shedders {
			s, err := New(Config{})
			if err != nil {
				b.Fatal(err)
			}
			useOnce(b, s)
			shedders[i] = s
		}
		with += idle()
		runtime.KeepAlive(shedders)
	}
	b.ReportMetric(with/float64(b.N), "cpu-ns/s")
	b.ReportMetric(without/float64(b.N), "none-cpu-ns/s")
}

// processor is the time this process has used, user and system.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
