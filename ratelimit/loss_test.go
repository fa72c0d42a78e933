package ratelimit

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// TestLossBeginsWhereItStood: a process that is left alone begins with its part
// of what the store last said is left, and not with a burst.
func TestLossBeginsWhereItStood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(100 * time.Microsecond)
		s := sharedWith(store, Per(3600, time.Hour).WithBurst(100), 2, nil)
		for range 90 {
			if d := s.Take(context.Background(), "k", 1, seawall.Normal); !d.OK {
				t.Fatal("refused")
			}
		}
		time.Sleep(leaseVoid + time.Millisecond)
		s.Take(context.Background(), "k", 1, seawall.Normal) // gives back, and hears what is left
		time.Sleep(leaseVoid + time.Millisecond)
		store.down.Store(true)
		n := 0
		for range 100 {
			if s.Take(context.Background(), "k", 1, seawall.Normal).OK {
				n++
			}
		}
		if n < 1 || n > 6 { // half of the nine or ten that were left, and not fifty
			t.Errorf("%d at once when the store was lost", n)
		}
		closed(t, s)
	})
}

// TestUsedIsToldOnce: what is used without the store is debited when it is back,
// however many calls fail before.
func TestUsedIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(100 * time.Microsecond)
		s := sharedWith(store, Per(3600, time.Hour).WithBurst(100), 1, nil)
		store.down.Store(true)
		n := int64(0)
		for range 30 {
			if s.Take(context.Background(), "k", 1, seawall.Normal).OK {
				n++
			}
			time.Sleep(300 * time.Millisecond) // so that each is a call that fails
		}
		store.down.Store(false)
		time.Sleep(time.Second)
		for range 5 {
			s.Take(context.Background(), "k", 1, seawall.Normal)
			time.Sleep(30 * time.Millisecond)
		}
		store.mu.Lock()
		defer store.mu.Unlock()
		told := int64(0)
		for _, a := range store.asked {
			told += a.Used
		}
		if told < n || told > n+1 { // the first one after it may be a probe
			t.Errorf("%d used, %d told", n, told)
		}
	})
}

// TestTotalIsRefunded: who is refused by one limit of the service takes nothing
// from another.
func TestTotalIsRefunded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(t, Config{Policies: []Policy{
			{Name: "wide", Rate: Per(1, time.Hour).WithBurst(10)},
			{Name: "search", Rate: Per(1, time.Hour), Match: func(r *http.Request) bool { return r.Header.Get("Search") != "" }},
		}})
		h := l.Middleware(nothing)
		wantStatus(t, ask(h, "192.0.2.1", "Search", "1"), 200)
		for range 50 {
			wantStatus(t, ask(h, "192.0.2.1", "Search", "1"), 503)
		}
		for range 9 {
			wantStatus(t, ask(h, "192.0.2.1"), 200)
		}
		wantStatus(t, ask(h, "192.0.2.1"), 503)
	})
}

// TestOneBudgetForAll: a request waits once, however many shared policies apply.
func TestOneBudgetForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policies := []Policy{}
		for _, name := range []string{"a", "b", "c", "d"} {
			store := newModelStore(0) // each its own, so that none knows of the others
			store.frozen.Store(true)
			time.AfterFunc(time.Minute, func() { store.frozen.Store(false) })
			policies = append(policies, Policy{Name: name, Rate: Per(100, time.Second), Sharing: &Sharing{Store: store, Nodes: 1}})
		}
		l := limits(t, Config{Policies: policies})
		began := time.Now()
		wantStatus(t, ask(l.Middleware(nothing), "192.0.2.1"), 200)
		if took := time.Since(began); took != defaultBudget {
			t.Errorf("waited %v", took)
		}
		time.Sleep(2 * time.Minute)
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
