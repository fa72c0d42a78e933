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

// TestConformanceShared: that the limit is one of a fleet is nothing a request
// notices; nor that the store is not there.
func TestConformanceShared(t *testing.T) {
	for _, down := range []bool{false, true} {
		store := newModelStore(0)
		store.down.Store(down)
		var all []*Limits
		fresh := func() *Limits {
			sharing := &Sharing{Store: store, Nodes: 1, Budget: time.Second}
			l := limits(t, Config{Policies: []Policy{
				{Name: "ip", Rate: Per(1e6, time.Second), Key: ByClientIP(seawall.ClientIP{}), Bytes: minBytes, Sharing: sharing},
				{Name: "total", Rate: Per(1e6, time.Second), Sharing: sharing},
			}})
			all = append(all, l)
			return l
		}
		seawalltest.Conformance{New: func() seawall.Middleware { return fresh().Middleware }}.Run(t, fresh().Middleware)
		closeLimits(t, all...)
	}
}
