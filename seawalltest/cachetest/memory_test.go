package cachetest

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// faults are what a store may do wrong.
type faults struct {
	wrongOrder, emptyIsNil, keeps, cuts, noTTL, ttlToZero, oldTTL, noDelete, foldsKeys, ignoresContext, wrongClock bool

	anyLease, leaseHides, deleteKeepsLease, setKeepsLease, fillAlways, fillKeepsLease, fillForeign, releaseAlways, noRelease, endless, allOrNothing, prefixToken bool
}

// server is what its clients share.
type server struct {
	faults
	mu     sync.Mutex
	values map[string]kept
	leases map[string]kept
}

type kept struct {
	data []byte
	ends time.Time
}

func (k kept) live() bool { return time.Now().Before(k.ends) }

func newServer(f faults) *server {
	return &server{faults: f, values: map[string]kept{}, leases: map[string]kept{}}
}

func (s *server) key(k string) string {
	if s.foldsKeys && len(k) > 512 {
		return k[:512]
	}
	return k
}

// enter is the begin of each call.
func (s *server) enter(ctx context.Context) error {
	s.mu.Lock()
	if s.ignoresContext {
		return nil
	}
	return ctx.Err()
}

func (s *server) ends(ttl time.Duration) time.Time {
	if s.noTTL || s.ttlToZero && ttl < time.Millisecond {
		ttl = time.Hour
	}
	return time.Now().Add(min(ttl, 1e6*time.Hour))
}

func (s *server) Get(ctx context.Context, keys []string, values [][]byte) (time.Time, error) {
	defer s.mu.Unlock()
	if err := s.enter(ctx); err != nil {
		return time.Time{}, err
	}
	for i, key := range keys {
		v, ok := s.values[s.key(key)]
		if s.leaseHides && s.leases[s.key(key)].live() {
			ok = false
		}
		if !ok || !v.live() {
			continue
		}
		data := append([]byte{}, v.data...)
		if s.keeps {
			data = v.data
		}
		if s.emptyIsNil && len(data) == 0 {
			data = nil
		}
		at := i
		if s.wrongOrder {
			at = len(keys) - 1 - i
		}
		values[at] = data
	}
	now := time.Now()
	if s.wrongClock {
		now = now.Add(-time.Hour)
	}
	return now, nil
}

func (s *server) write(it cache.Item) {
	v := kept{data: bytes.Clone(it.Value), ends: s.ends(it.TTL)}
	if s.keeps {
		v.data = it.Value
	}
	if s.cuts && len(v.data) > 0 {
		v.data, _, _ = bytes.Cut(v.data, []byte("\n"))
	}
	if old, ok := s.values[s.key(it.Key)]; ok && s.oldTTL {
		v.ends = old.ends
	}
	if v.data == nil {
		v.data = []byte{}
	}
	s.values[s.key(it.Key)] = v
}

func (s *server) Set(ctx context.Context, items []cache.Item) error {
	defer s.mu.Unlock()
	if err := s.enter(ctx); err != nil {
		return err
	}
	for _, it := range items {
		s.write(it)
		if !s.setKeepsLease {
			delete(s.leases, s.key(it.Key))
		}
	}
	return nil
}

func (s *server) Delete(ctx context.Context, keys []string) error {
	defer s.mu.Unlock()
	if err := s.enter(ctx); err != nil {
		return err
	}
	for i, key := range keys {
		if s.noDelete && i > 0 {
			continue
		}
		delete(s.values, s.key(key))
		if !s.deleteKeepsLease {
			delete(s.leases, s.key(key))
		}
	}
	return nil
}

func (s *server) Lease(ctx context.Context, keys []string, token string, ttl time.Duration, won []bool) error {
	defer s.mu.Unlock()
	if err := s.enter(ctx); err != nil {
		return err
	}
	for _, key := range keys {
		if s.allOrNothing && s.leases[s.key(key)].live() {
			return nil
		}
	}
	for i, key := range keys {
		l := s.leases[s.key(key)]
		if l.live() && !s.anyLease || s.endless && l.data != nil {
			continue
		}
		won[i] = true
		s.leases[s.key(key)] = kept{data: []byte(token), ends: s.ends(ttl)}
	}
	return nil
}

// holds reports whether the token has the lease.
func (s *server) holds(key, token string) bool {
	l := s.leases[s.key(key)]
	if !l.live() {
		return false
	}
	if s.prefixToken {
		return bytes.HasPrefix(l.data, []byte(token))
	}
	return string(l.data) == token
}

func (s *server) Fill(ctx context.Context, items []cache.Item, token string) error {
	defer s.mu.Unlock()
	if err := s.enter(ctx); err != nil {
		return err
	}
	for _, it := range items {
		if s.holds(it.Key, token) || s.fillAlways || s.fillForeign && s.leases[s.key(it.Key)].live() {
			s.write(it)
			if !s.fillKeepsLease {
				delete(s.leases, s.key(it.Key))
			}
		}
	}
	return nil
}

func (s *server) Release(ctx context.Context, keys []string, token string) error {
	defer s.mu.Unlock()
	if err := s.enter(ctx); err != nil {
		return err
	}
	for _, key := range keys {
		if !s.noRelease && (s.holds(key, token) || s.releaseAlways) {
			delete(s.leases, s.key(key))
		}
	}
	return nil
}
