package ratelimit

import (
	"testing"

	"github.com/seawall-go/seawall"
)

// What tests ask of the buckets of a Keyed as if they were one.

func (k *buckets) Take(key string, cost int64, p seawall.Priority) Decision {
	return k.take(k.hash([]byte(key)), []byte(key), clock(), cost, p)
}

func (k *buckets) Stats() KeyedStats { return k.stats() }

func keyedOf(t testing.TB, cfg KeyedConfig) *Keyed {
	t.Helper()
	k, err := NewKeyed(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
