package ratelimit

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

var ctxBG = context.Background()

// TestPerZero: what is infinite by mistake is not taken for no limit.
func TestPerZero(t *testing.T) {
	if _, err := NewLimiter(LimiterConfig{Rate: Per(100, 0)}); err == nil {
		t.Error("Per(100, 0) accepted")
	}
	if _, err := NewLimiter(LimiterConfig{Rate: Rate{Limit: rate.Limit(math.Inf(1))}}); err == nil {
		t.Error("math.Inf accepted")
	}
}

// TestByNil: nil is no key, also for one of several.
func TestByNil(t *testing.T) {
	defer func() {
		if v := recover(); v != nil {
			t.Errorf("panic: %v", v)
		}
	}()
	l := seawall.Must(New(Config{Policies: []Policy{{Rate: Per(10, time.Minute),
		Key: By(ByFunc(func([]byte, *http.Request) []byte { return nil }), ByRoute())}}}))
	_ = l.Take(httptest.NewRequest("GET", "/", nil), seawall.Class{Route: "/"})
}

// TestKeyIsNotWiped: a key function may return memory of its own.
func TestKeyIsNotWiped(t *testing.T) {
	own := []byte("tenant-a")
	l := seawall.Must(New(Config{Policies: []Policy{{Rate: Per(10, time.Minute),
		Key: ByFunc(func([]byte, *http.Request) []byte { return own })}}}))
	_ = l.Take(httptest.NewRequest("GET", "/", nil), seawall.Class{})
	if string(own) != "tenant-a" {
		t.Errorf("the caller's memory is now %q", own)
	}
}

// TestSharedQuotaRetry: a remembered refusal of a quota tells when there is more.
func TestSharedQuotaRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := seawall.Must(NewShared(SharedConfig{Quota: Quota{N: 5, Each: Day}, Bytes: minBytes, Leases: 8,
			Sharing: Sharing{Store: newModelStore(time.Millisecond), Nodes: 1}}))
		refused := 0
		for i := range 9 {
			d := s.Take(ctxBG, "a", 1, seawall.Normal)
			if d.OK {
				continue
			}
			refused++
			if d.RetryAfter() <= 0 || d.RetryAfter() > 24*time.Hour {
				t.Errorf("%d: again after %v", i, d.RetryAfter())
			}
		}
		if refused != 4 {
			t.Errorf("%d of 9 refused, there are 5 a day", refused)
		}
		_ = s.Close(ctxBG)
		time.Sleep(time.Second)
	})
}

// TestIdleTable: however long nobody came, old times are no debts.
func TestIdleTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, h := range []int{10, 20, 40, 60, 64, 70, 73, 80} {
			k := keyedOf(t, KeyedConfig{Rate: Per(1000, time.Second), Bytes: minBytes})
			k.Take("a", 1, seawall.Normal)
			time.Sleep(time.Duration(h) * time.Hour)
			if d := k.Take("a", 1, seawall.Normal); !d.OK {
				t.Errorf("after %d idle hours refused for %v", h, d.RetryAfter())
			}
		}
	})
}

// TestIdleGroups: nor are those of groups, between two floods.
func TestIdleGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keyedOf(t, KeyedConfig{Rate: Per(1000, time.Second), Bytes: minBytes, Wider: func([]byte) int { return 1 }})
		flood := func() (ok int) {
			for i := range 3000 {
				key := []byte{'g', byte(i), byte(i >> 8)}
				before := k.now.Load().displaced.Load()
				if k.TakeBytes(key, 100, seawall.Normal).OK && k.now.Load().displaced.Load() > before {
					ok++ // of the group's allowance
				}
			}
			return ok
		}
		first := flood()
		for range 65 * 4 { // somebody comes every quarter of an hour
			time.Sleep(15 * time.Minute)
			k.Take("x", 1, seawall.Normal)
		}
		if second := flood(); second < first {
			t.Errorf("%d of the first flood admitted, %d of one 65 h later", first, second)
		}
	})
}

// TestUpdateDryRun: a dry run refuses nobody while an Update is under way.
func TestUpdateDryRun(t *testing.T) {
	cfg := Config{DryRun: true, Policies: []Policy{{Name: "a", Rate: Per(1, time.Hour)}}}
	for i := range 200 { // so that an Update takes a while
		at := time.Now().Add(time.Duration(i+1) * time.Hour)
		cfg.Campaign = append(cfg.Campaign, Change{"a", at, at.Add(time.Hour), Per(2, time.Hour)})
	}
	l := seawall.Must(New(cfg))
	var stop atomic.Bool
	var refused, asked atomic.Int64
	var wg sync.WaitGroup
	r := httptest.NewRequest("GET", "/", nil)
	wg.Go(func() {
		for !stop.Load() {
			asked.Add(1)
			if l.Take(r, seawall.Class{}) != nil {
				refused.Add(1)
			}
			runtime.Gosched()
		}
	})
	for range 100 {
		_ = l.Update(cfg)
		runtime.Gosched()
	}
	stop.Store(true)
	wg.Wait()
	if n := refused.Load(); n > 0 || asked.Load() == 0 {
		t.Errorf("%d of %d requests refused by Limits in dry run, in 100 updates", n, asked.Load())
	}
}

// TestUpdateCampaign: an Update that changes nothing forgives nothing, also in a
// campaign.
func TestUpdateCampaign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		cfg := Config{Jitter: seawall.Off, Policies: []Policy{{Name: "a", Rate: Per(600, time.Minute)}}, // burst 60: 6 s
			Campaign: []Change{{"a", now.Add(-time.Second), now.Add(time.Hour), Per(600, time.Minute).WithBurst(600)}}} // 60 s
		l := seawall.Must(New(cfg))
		r := httptest.NewRequest("GET", "/", nil)
		admitted := 0
		for range 10 {
			for l.Take(r, seawall.Class{}) == nil {
				admitted++
			}
			if err := l.Update(cfg); err != nil {
				t.Fatal(err)
			}
		}
		if admitted > 601 {
			t.Errorf("%d admitted at once of a burst of 600", admitted)
		}
	})
}

// TestUpdateOverride: nor under an override.
func TestUpdateOverride(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Burst*factor rounds down to 1 with the limit 100 times lower: 100 s of debt and not 1.
		cfg := Config{Policies: []Policy{{Name: "a", Rate: Rate{Limit: 10, Burst: 2}}}}
		l := seawall.Must(New(cfg))
		if err := l.Override(ctxBG, seawall.Override{Control: "a.factor", Value: "0.01"}); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		admitted := 0
		for range 100 {
			if l.Take(r, seawall.Class{}) == nil {
				admitted++
			}
			_ = l.Update(cfg)
			time.Sleep(time.Second)
		}
		if admitted > 12 { // 0.1 a second, burst 1
			t.Errorf("%d admitted in 100 s at 0.1 a second", admitted)
		}
	})
}

// TestLimiterUpdateRace: what is charged while an Update runs is not lost.
func TestLimiterUpdateRace(t *testing.T) {
	const burst = 1 << 20
	cfg := LimiterConfig{Rate: Rate{Limit: 1, Burst: burst}}
	l := seawall.Must(NewLimiter(cfg))
	var n atomic.Int64
	var wg sync.WaitGroup
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			_ = l.Update(cfg)
		}
	}()
	for range 3 {
		wg.Go(func() {
			for range burst {
				if l.Allow() {
					n.Add(1)
				}
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	<-done
	t.Logf("%d admitted of a burst of %d", n.Load(), burst)
	if n.Load() > burst+60 {
		t.Errorf("%d too many", n.Load()-burst)
	}
}

// TestUpdateReservations: what is reserved for later is not forgotten by an Update.
func TestUpdateReservations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := LimiterConfig{Rate: perSecond(10, 1)}
		l := seawall.Must(NewLimiter(cfg))
		for range 100 { // 10 s of them
			_, _ = l.Reserve(1)
		}
		_ = l.Update(cfg)
		n := 0
		for range 1000 {
			time.Sleep(10 * time.Millisecond)
			if l.Allow() {
				n++
			}
		}
		if n+100 > 102 {
			t.Errorf("%d in 10 s at 10 a second", n+100)
		}
	})
}

// TestCloseRate: at Close, tokens of a tier are given back as what they were.
func TestCloseRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		tier := Per(60000, time.Minute).WithBurst(6000)
		l := seawall.Must(New(Config{Policies: []Policy{{Name: "a", Rate: Per(60, time.Minute), Key: ByFunc(func(dst []byte, _ *http.Request) []byte { return append(dst, 'k') }),
			RateFor: func(*http.Request) (Rate, bool) { return tier, true },
			Sharing: &Sharing{Store: store, Nodes: 1}}}}))
		r := httptest.NewRequest("GET", "/", nil)
		for range 300 {
			_ = l.Take(r, seawall.Class{})
			time.Sleep(time.Millisecond)
		}
		_ = l.Close(ctxBG)
		back := 0
		for _, a := range store.asked {
			if a.Back == 0 {
				continue
			}
			back++
			if a.Rate.Limit != tier.Limit {
				t.Errorf("%d tokens of %v given back as of %v", a.Back, tier, a.Rate)
			}
		}
		if back == 0 {
			t.Error("nothing was given back")
		}
		time.Sleep(time.Second)
	})
}

// halfStore cannot serve one bucket, beside others that it can.
type halfStore struct {
	*modelStore
	bad atomic.Int64
}

func (h *halfStore) TakeUpTo(ctx context.Context, t RemoteTake) (RemoteTaken, error) {
	if t.Rate.Burst == 77 {
		h.bad.Add(1)
		time.Sleep(100 * time.Microsecond)
		return RemoteTaken{}, errors.New("CLUSTERDOWN")
	}
	return h.modelStore.TakeUpTo(ctx, t)
}

// TestOneBadBucket: who waited for a call that failed does not start another.
func TestOneBadBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &halfStore{modelStore: newModelStore(50 * time.Microsecond)}
		l := seawall.Must(New(Config{Policies: []Policy{{Name: "a", Rate: Per(60000, time.Minute), Key: ByHeader("k"),
			RateFor: func(r *http.Request) (Rate, bool) {
				return Per(60000, time.Minute).WithBurst(77), r.Header.Get("k") == "bad"
			},
			Sharing: &Sharing{Store: store, Nodes: 1, Exact: true}}}}))
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { // others are answered
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("k", "good")
			for {
				select {
				case <-stop:
					return
				default:
				}
				_ = l.Take(r, seawall.Class{})
				time.Sleep(20 * time.Microsecond)
			}
		})
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("k", "bad")
		time.Sleep(10 * time.Millisecond)
		const n = 20
		began := time.Now()
		for range n {
			_ = l.Take(r, seawall.Class{})
		}
		took := time.Since(began)
		close(stop)
		wg.Wait()
		t.Logf("%d calls for %d decisions, %v each", store.bad.Load(), n, took/n)
		if store.bad.Load() > 2*n {
			t.Errorf("%d calls for %d decisions", store.bad.Load(), n)
		}
		_ = l.Close(ctxBG)
		time.Sleep(time.Second)
	})
}

// TestFallbackRefund: what was charged without the store and refunded is not
// debited at the store later.
func TestFallbackRefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		s := sharedWith(store, perSecond(100, 100), 2, nil)
		store.down.Store(true)
		var bills []bill
		for range 20 {
			_, b := s.take(ctxBG, &question{m: s.meters.Load(), key: []byte("a"), now: clock(), cost: 1}, 5*time.Millisecond)
			bills = append(bills, b)
		}
		for _, b := range bills {
			b.refund(clock())
		}
		store.down.Store(false)
		time.Sleep(time.Second)
		for range 5 {
			s.Take(ctxBG, "a", 1, seawall.Normal)
			time.Sleep(20 * time.Millisecond)
		}
		store.mu.Lock()
		defer store.mu.Unlock()
		var used int64
		for _, a := range store.asked {
			used += a.Used
		}
		if used > 5 {
			t.Errorf("%d debited as used; all was given back", used)
		}
	})
}

// TestKeyLength: as RemoteTake promises.
func TestKeyLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		s := seawall.Must(NewShared(SharedConfig{Name: strings.Repeat("n", 64), Quota: Quota{N: 5, Each: Day}, Bytes: minBytes, Leases: 8,
			Sharing: Sharing{Store: store, Nodes: 1, Prefix: strings.Repeat("p", 40)}}))
		s.Take(ctxBG, "a", 1, seawall.Normal)
		if n := len(store.asked[0].Key); n > 160 {
			t.Errorf("a key of %d bytes", n)
		}
	})
}

// TestRefusalAfterSetRate: a remembered refusal is of its rate, and of no other.
func TestRefusalAfterSetRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		l := seawall.Must(New(Config{Policies: []Policy{{Name: "a", Rate: Per(10, time.Hour), Sharing: &Sharing{Store: store, Nodes: 1}}}}))
		r := httptest.NewRequest("GET", "/", nil)
		for err := error(nil); err == nil; {
			err = l.Take(r, seawall.Class{})
		}
		_ = l.Override(ctxBG, seawall.Override{Control: "a.factor", Value: "100"})
		began := time.Now()
		for l.Take(r, seawall.Class{}) != nil {
			time.Sleep(100 * time.Millisecond)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("at 1000 an hour (one in 3.6 s) the next was admitted after %v", d)
		}
		_ = l.Close(ctxBG)
		time.Sleep(time.Second)
	})
}

// TestCampaignIsCopied: the caller may go on with its slice.
func TestCampaignIsCopied(t *testing.T) {
	now := time.Now()
	changes := []Change{{"a", now.Add(time.Hour), now.Add(2 * time.Hour), Per(10, time.Hour)}}
	l := seawall.Must(New(Config{Policies: []Policy{{Name: "a", Rate: Per(1, time.Hour)}}, Campaign: changes}))
	if &l.rules.Load().cfg.Campaign[0] == &changes[0] {
		t.Error("Campaign is not copied")
	}
}

func TestTypedNilStore(t *testing.T) {
	var s *modelStore
	if _, err := NewShared(SharedConfig{Rate: Per(1, time.Second), Sharing: Sharing{Store: s, Nodes: 1}}); err == nil {
		t.Error("a nil *modelStore was accepted")
	}
}

// TestRetiredMemory: shared limits that were replaced do not pile up.
func TestRetiredMemory(t *testing.T) {
	store := newModelStore(time.Millisecond)
	cfg := Config{Policies: []Policy{{Key: ByHeader("k"), Rate: Per(6000, time.Minute), Sharing: &Sharing{Store: store, Nodes: 1}}}}
	l := seawall.Must(New(cfg))
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc >> 20
	}
	before := heap()
	for i := range 20 {
		cfg.Policies[0].Sharing = &Sharing{Store: store, Nodes: 2 + i}
		_ = l.Update(cfg)
	}
	if after := heap(); after > before+20 {
		t.Errorf("%d MiB before, %d after 20 updates", before, after)
	}
	runtime.KeepAlive(l)
}

// TestOneBadBucketIsAlone: errors about one bucket do not lose the store for the
// others.
func TestOneBadBucketIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &halfStore{modelStore: newModelStore(200 * time.Microsecond)}
		l := seawall.Must(New(Config{Policies: []Policy{{Name: "a", Rate: Per(60000, time.Minute), Key: ByHeader("k"),
			RateFor: func(r *http.Request) (Rate, bool) {
				return Per(60000, time.Minute).WithBurst(77), r.Header.Get("k") == "bad"
			},
			Sharing: &Sharing{Store: store, Nodes: 1, OnLoss: Closed}}}}))
		var wg sync.WaitGroup
		var good, lost int
		ask := func(k string, n int, each time.Duration, f func(error)) {
			wg.Go(func() {
				r := httptest.NewRequest("GET", "/", nil)
				r.Header.Set("k", k)
				for range n {
					f(l.Take(r, seawall.Class{}))
					time.Sleep(each)
				}
			})
		}
		ask("good", 2000, 5*time.Millisecond, func(err error) { // a fifth of its limit
			good++
			if err != nil {
				lost++
			}
		})
		ask("bad", 200, 50*time.Millisecond, func(error) {})
		wg.Wait()
		t.Logf("%d of %d decisions about the good bucket refused; %d calls for 200 about the bad one", lost, good, store.bad.Load())
		if lost > good/100 {
			t.Errorf("one request in 50 ms about a bad bucket: %d %% of the good ones refused", 100*lost/good)
		}
		_ = l.Close(ctxBG)
		time.Sleep(time.Second)
	})
}
