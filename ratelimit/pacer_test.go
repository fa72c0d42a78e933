package ratelimit

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

func pacer(t testing.TB, cfg PacerConfig) *Pacer {
	t.Helper()
	p, err := NewPacer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPacerAsXTime: with time to wait, each call comes when x/time/rate says.
func TestPacerAsXTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, r := range []Rate{{Limit: 10}, {Limit: 3, Burst: 4}, {Limit: rate.Inf}, {Limit: 1e4, Burst: 1}} {
			p, x := pacer(t, PacerConfig{Rate: r, Burst: int(r.Burst), MaxWait: time.Hour}), rate.NewLimiter(r.Limit, int(max(1, r.Burst)))
			for i := range 50 {
				want := time.Now().Add(x.ReserveN(time.Now(), 1).Delay())
				if err := p.Wait(context.Background()); err != nil {
					t.Fatal(err)
				}
				if got := time.Now(); !got.Equal(want) {
					t.Errorf("%v, call %d: at %v, want %v", r, i, got, want)
				}
				time.Sleep(time.Duration(i%5) * 30 * time.Millisecond)
			}
		}
	})
}

// TestPacerOrder: turns come in the order in which they were asked for, evenly.
func TestPacerOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pacer(t, PacerConfig{Rate: Rate{Limit: 100}})
		began := time.Now()
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Microsecond)
				if err := p.Wait(context.Background()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
				if at := time.Since(began).Round(time.Microsecond); at != time.Duration(i)*10*time.Millisecond { // x/time counts in floats
					t.Errorf("call %d after %v", i, at)
				}
			})
		}
		wg.Wait()
		for i, n := range order {
			if i != n {
				t.Fatalf("order %v", order)
			}
		}
	})
}

func wantRefused(t *testing.T, err error, after time.Duration, cause error) {
	t.Helper()
	var rej *seawall.Rejection
	if !errors.As(err, &rej) || !errors.Is(err, seawall.RateLimited) || rej.Component != component || rej.Name != "partner" || rej.RetryAfter != after {
		t.Errorf("%v, %+v", err, rej)
	}
	if cause != nil && !errors.Is(err, cause) || cause == nil && rej != nil && rej.Cause != nil {
		t.Errorf("cause of %v is not %v", err, cause)
	}
}

// TestPacerRefuses: at once, and who is refused takes no turn.
func TestPacerRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pacer(t, PacerConfig{Name: "partner", Rate: Rate{Limit: 10}, MaxWait: 250 * time.Millisecond})
		began := time.Now()
		var wg sync.WaitGroup
		for range 3 { // now, in 100 ms, in 200 ms
			wg.Go(func() {
				if err := p.Wait(context.Background()); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		soon, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		for range 1000 {
			wantRefused(t, p.Wait(context.Background()), 50*time.Millisecond, nil)
			wantRefused(t, p.Wait(soon), 300*time.Millisecond, context.DeadlineExceeded)
		}
		gone, leave := context.WithCancel(context.Background())
		leave()
		wantRefused(t, p.Wait(gone), 0, context.Canceled)
		if time.Since(began) != 0 {
			t.Errorf("to be refused took %v", time.Since(began))
		}
		wg.Wait() // 200 ms later
		if err := p.Wait(context.Background()); err != nil || time.Since(began) != 300*time.Millisecond {
			t.Errorf("the fourth turn after %v: %v", time.Since(began), err)
		}
	})
}

// TestPacerRefusesMany: many at once, and the turns there are come all the same.
func TestPacerRefusesMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pacer(t, PacerConfig{Name: "partner", Rate: Rate{Limit: 10}, MaxWait: time.Millisecond})
		if err := p.Wait(context.Background()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 20_000 {
					if err := p.Wait(context.Background()); err == nil {
						t.Error("admitted")
					}
				}
			})
		}
		wg.Wait()
		time.Sleep(100 * time.Millisecond)
		if err := p.Wait(context.Background()); err != nil {
			t.Errorf("the second turn was taken by those who were refused: %v", err)
		}
	})
}

// TestPacerLeaves: who leaves while waiting is told why, at once, and the last one
// gives its turn back.
func TestPacerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pacer(t, PacerConfig{Name: "partner", Rate: Rate{Limit: 10}})
		began := time.Now()
		_ = p.Wait(context.Background())
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(30*time.Millisecond, cancel)
		wantRefused(t, p.Wait(ctx), 0, context.Canceled)
		if took := time.Since(began); took != 30*time.Millisecond {
			t.Errorf("left after %v", took)
		}
		if err := p.Wait(context.Background()); err != nil || time.Since(began) != 100*time.Millisecond {
			t.Errorf("the turn of who left comes after %v: %v", time.Since(began), err)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type countedBody struct {
	io.Reader
	closed int
}

func (b *countedBody) Close() error {
	b.closed++
	return nil
}

// TestPacerTransport: one request a turn, unchanged; who gets none has its body
// closed and sends nothing.
func TestPacerTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []time.Duration
		began := time.Now()
		errBroken := errors.New("broken")
		tr := pacer(t, PacerConfig{Name: "partner", Rate: Rate{Limit: 10}}).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, time.Since(began))
			if r.Header.Get("X-Break") != "" {
				return nil, errBroken
			}
			return &http.Response{StatusCode: 200, Body: r.Body, Request: r}, nil
		}))
		request := func(ctx context.Context) (*http.Request, *countedBody) {
			body := &countedBody{Reader: strings.NewReader("x")}
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://partner.example/", body)
			if err != nil {
				t.Fatal(err)
			}
			return r, body
		}
		for range 3 {
			r, body := request(context.Background())
			resp, err := tr.RoundTrip(r)
			if err != nil || resp.Request != r || body.closed != 0 {
				t.Errorf("%v, %+v, closed %d times", err, resp, body.closed)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		r, body := request(ctx)
		_, err := tr.RoundTrip(r)
		wantRefused(t, err, 100*time.Millisecond, context.DeadlineExceeded)
		if body.closed != 1 {
			t.Errorf("the body was closed %d times", body.closed)
		}
		bare, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://partner.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = tr.RoundTrip(bare); err == nil {
			t.Error("admitted")
		}
		r, _ = request(context.Background())
		r.Header.Set("X-Break", "1")
		if _, err := tr.RoundTrip(r); !errors.Is(err, errBroken) {
			t.Errorf("the base's error became %v", err)
		}
		for i, at := range sent {
			if at != time.Duration(i)*100*time.Millisecond {
				t.Errorf("sent at %v", sent)
				break
			}
		}
		if len(sent) != 4 {
			t.Errorf("%d sent", len(sent))
		}
	})
	if got := pacer(t, PacerConfig{Rate: Per(1, time.Second)}).Transport(nil).(pacedTransport).base; got != http.DefaultTransport {
		t.Errorf("without a base it is %v", got)
	}
}

func TestPacerErrors(t *testing.T) {
	for want, c := range map[string]PacerConfig{
		"MaxWait must be positive (got -1s)":                    {Rate: Per(1, time.Second), MaxWait: -time.Second},
		"Rate.Limit must be positive (got 0)":                   {},
		"Rate.Limit must be positive (got -1)":                  {Rate: Rate{Limit: -1}},
		"Rate.Burst must not be negative here (got -1)":         {Rate: Rate{Limit: 1, Burst: seawall.Off}},
		"Burst must be positive (got -2)":                       {Rate: Rate{Limit: 1}, Burst: -2},
		"Rate.Window must be whole seconds (got 1ns)":           {Rate: Rate{Limit: 1, Window: 1}},
		"Rate.Burst 1000000000 at Limit 1 would take more than": {Rate: Rate{Limit: 1}, Burst: 1e9},
	} {
		if _, err := NewPacer(c); err == nil || !strings.HasPrefix(err.Error(), "seawall/ratelimit: "+want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestPacerIsEven: a Rate of Per has a burst of its own, which is for who comes in.
func TestPacerIsEven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began := pacer(t, PacerConfig{Rate: Per(600, time.Minute)}), time.Now()
		for range 3 {
			if err := p.Wait(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 200*time.Millisecond {
			t.Errorf("three calls at ten a second took %v", took)
		}
	})
}
