package ratelimit

import "github.com/seawall-go/seawall"

// What tests ask of a Keyed with a clock of their own.
func (k *Keyed) take(hash uint64, key []byte, now, cost int64, p seawall.Priority) Decision {
	return k.now.Load().take(hash, key, now, cost, p)
}

func (k *Keyed) hash(key []byte) uint64 { return k.now.Load().hash(key) }
