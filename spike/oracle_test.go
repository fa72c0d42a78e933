package spike

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

func oracle(t *testing.T, cfg OracleConfig) *Oracle {
	t.Helper()
	o, err := NewOracle(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOracleValidate(t *testing.T) {
	for want, cfg := range map[string]OracleConfig{
		"Slots must be between 1 and 1000000 (got -1)":         {Slots: -1},
		"Waits[sheddable] must be between 0 and 1h (got -1s)":  {Waits: [4]time.Duration{0, 0, -sec, 0}},
		"Waits[critical] must be between 0 and 1h (got 2h0m0s": {Waits: [4]time.Duration{2 * time.Hour}},
		"MaxWaiting must be between 1 and 16777216 (got -5)":   {MaxWaiting: -5},
	} {
		if _, err := NewOracle(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ...%s...", err, want)
		}
	}
	if _, err := NewOracle(OracleConfig{}); err != nil {
		t.Error(err)
	}
}

// TestOracleOrder: who waits is served by priority and then in one fixed order
// of the users, whatever the order of arrival.
func TestOracleOrder(t *testing.T) {
	for _, shuffle := range []uint64{1, 2, 3} {
		synctest.Test(t, func(t *testing.T) {
			o := oracle(t, OracleConfig{Slots: 1})
			release, err := o.Acquire(t.Context(), seawall.Normal, 0)
			if err != nil {
				t.Fatal(err)
			}
			type who struct {
				p    seawall.Priority
				user uint64
			}
			var all []who
			for _, p := range seawall.Priorities() {
				for user := range uint64(10) {
					all = append(all, who{p, user})
				}
			}
			rand.New(rand.NewPCG(shuffle, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			served := make(chan who, len(all))
			for _, w := range all {
				go func() {
					release, err := o.Acquire(t.Context(), w.p, w.user)
					if err != nil {
						t.Errorf("%+v: %v", w, err)
						return
					}
					served <- w
					release()
				}()
				synctest.Wait()
			}
			if inside, waiting := o.Load(); inside != 1 || waiting != len(all) {
				t.Errorf("%d inside, %d waiting", inside, waiting)
			}
			release()
			synctest.Wait()
			var got []uint64 // the order of users within each priority
			for i := range all {
				w := <-served
				if want := seawall.Priorities()[i/10]; w.p != want {
					t.Fatalf("number %d is %v, want %v", i, w.p, want)
				}
				got = append(got, w.user)
			}
			for i := 10; i < 40; i++ {
				if got[i] != got[i%10] {
					t.Fatalf("the order of the users is not the same in each priority: %v", got)
				}
			}
			if slices.IsSorted(got[:10]) {
				t.Error("the order of the users is that of their numbers: not a fair one")
			}
			if inside, waiting := o.Load(); inside != 0 || waiting != 0 {
				t.Errorf("afterwards %d inside, %d waiting", inside, waiting)
			}
		})
	}
}

// TestOracleWaits: each priority waits its own time, then it is refused.
func TestOracleWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := oracle(t, OracleConfig{Slots: 1})
		release, _ := o.Acquire(t.Context(), seawall.Background, 1)
		defer release()
		for p, want := range map[seawall.Priority]time.Duration{
			seawall.Critical: 200 * ms, seawall.Normal: 100 * ms, seawall.Sheddable: 50 * ms, seawall.Background: 50 * ms,
			seawall.Critical + 7: 200 * ms, seawall.Background - 7: 50 * ms,
		} {
			start := time.Now()
			if _, err := o.Acquire(t.Context(), p, 2); err != ErrRefused || time.Since(start) != want {
				t.Errorf("%v: %v after %v, want %v", p, err, time.Since(start), want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*ms)
		defer cancel()
		start := time.Now()
		if _, err := o.Acquire(ctx, seawall.Critical, 2); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*ms {
			t.Errorf("who leaves: %v after %v", err, time.Since(start))
		}
		if _, err := o.Acquire(ctx, seawall.Critical, 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who has gone before coming: %v", err)
		}
		if _, waiting := o.Load(); waiting != 0 {
			t.Errorf("%d still wait", waiting)
		}
	})
}

func TestOracleWithoutWaiting(t *testing.T) {
	o := oracle(t, OracleConfig{Slots: 1, Waits: [4]time.Duration{1: seawall.Off}})
	release, _ := o.Acquire(t.Context(), seawall.Normal, 1)
	if _, err := o.Acquire(t.Context(), seawall.Normal, 2); err != ErrRefused {
		t.Errorf("got %v", err)
	}
	release()
	release() // twice gives one seat back
	a, errA := o.Acquire(t.Context(), seawall.Normal, 1)
	_, errB := o.Acquire(t.Context(), seawall.Normal, 1)
	if errA != nil || errB != ErrRefused {
		t.Errorf("after a double release: %v, %v", errA, errB)
	}
	a()
}

// TestOracleEvicts: when the waiting are too many, the worst goes, and a
// better newcomer is never refused.
func TestOracleEvicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := oracle(t, OracleConfig{Slots: 1, MaxWaiting: 2})
		release, _ := o.Acquire(t.Context(), seawall.Normal, 0)
		results := make(map[seawall.Priority]error)
		var mu sync.Mutex
		for _, p := range []seawall.Priority{seawall.Sheddable, seawall.Normal, seawall.Background, seawall.Critical} {
			go func() {
				release, err := o.Acquire(t.Context(), p, 1)
				mu.Lock()
				results[p] = err
				mu.Unlock()
				if err == nil {
					release()
				}
			}()
			synctest.Wait()
		}
		if len(results) != 2 || results[seawall.Background] != ErrRefused || results[seawall.Sheddable] != ErrRefused {
			t.Errorf("refused: %v", results)
		}
		release()
		synctest.Wait()
		if results[seawall.Critical] != nil || results[seawall.Normal] != nil || len(results) != 4 {
			t.Errorf("in the end %v", results)
		}
	})
}

func TestOracleSetSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := oracle(t, OracleConfig{Slots: 1})
		o.SetSlots(0)
		done := make(chan func(), 3)
		for range 3 {
			go func() {
				release, err := o.Acquire(t.Context(), seawall.Critical, 1)
				if err != nil {
					t.Error(err)
				}
				done <- release
			}()
		}
		synctest.Wait()
		o.SetSlots(2)
		synctest.Wait()
		if inside, waiting := o.Load(); inside != 2 || waiting != 1 {
			t.Errorf("%d inside, %d waiting", inside, waiting)
		}
		o.SetSlots(1)
		(<-done)()
		synctest.Wait()
		if inside, waiting := o.Load(); inside != 1 || waiting != 1 {
			t.Errorf("one left: %d inside, %d waiting", inside, waiting)
		}
		(<-done)()
		(<-done)()
		if inside, waiting := o.Load(); inside != 0 || waiting != 0 {
			t.Errorf("all left: %d inside, %d waiting", inside, waiting)
		}
	})
}

// TestOracleGivesEverySeatBack: after 100,000 requests that end in every way
// there is, never more than the slots were inside, and all of them are free.
func TestOracleGivesEverySeatBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots = 8
		o := oracle(t, OracleConfig{Slots: slots})
		var (
			g  gauge
			wg sync.WaitGroup
		)
		h := o.Middleware(
			func(r *http.Request) seawall.Priority {
				return seawall.Priority(len(r.URL.Path)%4) + seawall.Background
			},
			func(r *http.Request) uint64 { return uint64(len(r.URL.RawQuery)) },
		)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			g.add(1)
			defer g.add(-1)
			time.Sleep(ms)
			switch r.URL.RawQuery {
			case "p":
				panic("on purpose")
			case "pp":
				panic(http.ErrAbortHandler)
			case "ppp":
				runtime.Goexit()
			}
		}))
		for worker := range 50 {
			rng := rand.New(rand.NewPCG(uint64(worker), 0))
			wg.Go(func() {
				for range 2000 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(5000))*time.Microsecond)
					r := httptest.NewRequestWithContext(ctx, "GET", "/"+strings.Repeat("x", rng.IntN(4))+"?"+strings.Repeat("p", rng.IntN(5)), nil)
					done := make(chan struct{})
					go func() { // Goexit ends it
						defer close(done)
						defer func() { _ = recover() }()
						h.ServeHTTP(httptest.NewRecorder(), r)
					}()
					<-done
					cancel()
				}
			})
		}
		wg.Wait()
		if g.most != slots || g.now != 0 {
			t.Errorf("at most %d were inside, want %d", g.most, slots)
		}
		if inside, waiting := o.Load(); inside != 0 || waiting != 0 {
			t.Fatalf("%d are inside for ever, %d wait", inside, waiting)
		}
		for i := range slots {
			if _, err := o.Acquire(t.Context(), seawall.Normal, 1); err != nil {
				t.Errorf("seat %d is lost", i)
			}
		}
		if _, err := o.Acquire(t.Context(), seawall.Normal, 1); err == nil {
			t.Error("there is a seat too many")
		}
	})
}

func TestOracleMiddlewareRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := oracle(t, OracleConfig{Slots: 1})
		release, _ := o.Acquire(t.Context(), seawall.Normal, 1)
		defer release()
		w := httptest.NewRecorder()
		start := time.Now()
		o.Middleware(nil, nil)(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/sheddable", nil))
		if w.Code != http.StatusServiceUnavailable || w.Body.String() != "overloaded\n" || time.Since(start) != 50*ms {
			t.Errorf("%d %q after %v", w.Code, w.Body, time.Since(start))
		}
	})
}

// TestOracleSeatForWhoHasGone: the seat that is handed over in the moment in
// which the client goes is handed on.
func TestOracleSeatForWhoHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := oracle(t, OracleConfig{Slots: 1})
		for n := range 2000 {
			release, err := o.Acquire(t.Context(), seawall.Critical, 1)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			first, second := make(chan error, 1), make(chan error, 1)
			enter := func(ctx context.Context, p seawall.Priority, result chan<- error) {
				release, err := o.Acquire(ctx, p, 1)
				if err == nil && ctx.Err() == nil {
					release()
				} else if err == nil {
					err = errors.New("a seat for who has gone")
					release()
				}
				result <- err
			}
			go enter(ctx, seawall.Critical, first)
			go enter(t.Context(), seawall.Normal, second)
			synctest.Wait()
			if n%2 == 0 {
				cancel()
				release()
			} else {
				release()
				cancel()
			}
			if err := <-first; n%2 == 0 && !errors.Is(err, context.Canceled) {
				t.Fatalf("who has gone before: %v", err)
			}
			if err := <-second; err != nil {
				t.Fatalf("the seat was not handed on: %v", err)
			}
		}
		if inside, waiting := o.Load(); inside != 0 || waiting != 0 {
			t.Errorf("%d inside, %d waiting", inside, waiting)
		}
	})
}

// TestSeatHeap compares the heap with sorting.
func TestSeatHeap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var h seatHeap
	var model []*seat
	better := func(a, b *seat) int {
		if a.before(b) {
			return -1
		}
		return 1
	}
	for n := range uint64(20_000) {
		switch op := rng.IntN(10); {
		case op < 5:
			s := &seat{rank: rng.Uint64N(50), arrived: n}
			h.push(s)
			model = append(model, s)
		case len(model) == 0:
		case op < 8:
			slices.SortFunc(model, better)
			if worst := h.worst(); worst != model[len(model)-1] {
				t.Fatalf("worst is %+v, want %+v", worst, model[len(model)-1])
			}
			if got := h.pop(); got != model[0] {
				t.Fatalf("popped %+v, want %+v", got, model[0])
			}
			model = model[1:]
		default:
			i := rng.IntN(len(model))
			if !h.remove(model[i]) || h.remove(model[i]) {
				t.Fatal("removed other than once")
			}
			model = slices.Delete(model, i, i+1)
		}
		if len(h) != len(model) {
			t.Fatalf("%d in the heap, want %d", len(h), len(model))
		}
	}
}

func TestMix64Scatters(t *testing.T) {
	below := 0
	for i := range uint64(10_000) {
		if mix64(i) < math.MaxUint64/2 {
			below++
		}
	}
	near(t, "lower half", float64(below), 5000, 4)
}
