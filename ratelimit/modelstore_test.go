package ratelimit

//house:sleep a store in memory, for bubbles: it is what takes time

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// modelStore is a store in memory, with a way of its own to count: tokens that
// come back with time. Real engines are tested in their adapters; this one is
// for tests in virtual time.
type modelStore struct {
	latency atomic.Int64
	down    atomic.Bool // errors
	frozen  atomic.Bool // does not answer until thawed, nor heeds its context
	panics  atomic.Bool

	calls   atomic.Int64
	inside  atomic.Int64
	mu      sync.Mutex
	buckets map[string]*modelBucket
	asked   []RemoteTake // the last ones
}

type modelBucket struct {
	missing float64
	at      time.Time
}

var errDown = errors.New("connection refused")

func newModelStore(latency time.Duration) *modelStore {
	m := &modelStore{buckets: make(map[string]*modelBucket)}
	m.latency.Store(int64(latency))
	return m
}

func (m *modelStore) TakeUpTo(ctx context.Context, t RemoteTake) (RemoteTaken, error) {
	m.calls.Add(1)
	m.inside.Add(1)
	defer m.inside.Add(-1)
	if m.panics.Load() {
		panic("a bug in the store")
	}
	for m.frozen.Load() {
		time.Sleep(10 * time.Millisecond)
	}
	if m.down.Load() {
		return RemoteTaken{}, errDown
	}
	half := time.NewTimer(time.Duration(m.latency.Load() / 2))
	defer half.Stop()
	select {
	case <-half.C:
	case <-ctx.Done():
		return RemoteTaken{}, ctx.Err()
	}
	got := m.take(t)
	time.Sleep(time.Duration(m.latency.Load() / 2))
	return got, nil
}

func (m *modelStore) take(t RemoteTake) RemoteTaken {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, t)
	if len(m.asked) > 1000 {
		m.asked = m.asked[500:]
	}
	now := time.Now()
	b := m.buckets[t.Key]
	if b == nil {
		b = &modelBucket{at: now}
		m.buckets[t.Key] = b
	}
	pace := float64(t.Rate.Limit)
	if !t.Until.IsZero() {
		pace = 0
	}
	b.missing = max(0, b.missing-now.Sub(b.at).Seconds()*pace)
	b.at = now
	b.missing = min(max(b.missing, float64(t.Rate.Burst)), b.missing+float64(t.Used))
	b.missing = max(0, b.missing-float64(t.Back))
	free := int64(float64(t.UpTo) - b.missing + 1e-9)
	got := RemoteTaken{Got: max(0, min(t.Want, free))}
	if got.Got < t.Least {
		got.Got = 0
	}
	b.missing += float64(got.Got)
	got.Left = t.Rate.Burst - int64(b.missing+0.999999)
	if over := b.missing + float64(max(t.Least, 1)) - float64(t.UpTo); over > 0 {
		if got.RetryAfter = time.Until(t.Until); pace > 0 {
			got.RetryAfter = time.Duration(over / pace * float64(time.Second))
		}
	}
	return got
}

func sharedWith(store Remote, r Rate, nodes int, change func(*SharedConfig)) *Shared {
	cfg := SharedConfig{Rate: r, Bytes: 64 << 10, Leases: 64, Sharing: Sharing{Store: store, Nodes: nodes}}
	if change != nil {
		change(&cfg)
	}
	s, err := NewShared(cfg)
	if err != nil {
		panic(err)
	}
	return s
}

func perSecond(n float64, burst int64) Rate { return Rate{Limit: rate.Limit(n), Burst: burst} }
