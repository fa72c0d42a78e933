package ratelimit

import (
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/seawalltest"
)

// TestConformance: a request that is admitted passes as if nothing was there.
// Only who has almost used up a quota is told so by fields.
func TestConformance(t *testing.T) {
	cfg := Config{Policies: []Policy{PerIP(1e6, time.Second), Total(1e9, time.Second)}}
	seawalltest.Conformance{
		New: func() seawall.Middleware { return limits(t, cfg).Middleware },
	}.Run(t, limits(t, cfg).Middleware)
}

// TestConformanceFields: with fields always they are all that is different.
func TestConformanceFields(t *testing.T) {
	for _, f := range []Fields{Always, Legacy} {
		cfg := Config{Fields: f, Policies: []Policy{PerIP(1e6, time.Second)}}
		seawalltest.Conformance{Except: []string{"headers-exact"}}.Run(t, limits(t, cfg).Middleware)
	}
}

// TestConformanceDryRun: who would be refused passes as well.
func TestConformanceDryRun(t *testing.T) {
	cfg := Config{DryRun: true, Fields: NoFields, Policies: []Policy{PerIP(1, 24*time.Hour)}}
	seawalltest.Conformance{}.Run(t, limits(t, cfg).Middleware)
}
