package seawalltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// However a request ends, its seat is free again. A middleware that loses one in
// a thousand serves nobody after a bad day.
var capacityChecks = []checkInfo{
	{name: "slots-after-panic", run: checkSlotsAfterPanic, need: needInFlight},
	{name: "slots-after-abort", run: checkSlotsAfterAbort, need: needInFlight},
	{name: "slots-after-goexit", run: checkSlotsAfterGoexit, need: needInFlight},
	{name: "slots-after-disconnect", run: checkSlotsAfterDisconnect, need: needInFlight},
	{name: "slots-after-hijack", run: checkSlotsAfterHijack, need: needInFlight},
	{name: "limit-exact", run: checkLimitExact, need: needLimited},
}

const (
	defaultEvents = 1000 // how often requests end badly
	slotWorkers   = 8    // at a time
)

// slots has event called 1000 times by slotWorkers, and checks that no seat is
// taken afterwards. The worker's number is for its own use.
func (c *check) slots(event func(worker, i int) error) {
	c.countsAtAll()
	var next atomic.Int64
	var workers sync.WaitGroup
	for worker := range slotWorkers {
		workers.Go(func() {
			for i := next.Add(1); i <= int64(c.events); i = next.Add(1) {
				if err := event(worker, int(i)); err != nil {
					c.errorf("event %d: %w", i, err)
					return
				}
			}
		})
	}
	workers.Wait()
	if !c.eventually(func() bool { return c.InFlight() == 0 }) {
		c.errorf("%d seats of %d are not given back", c.InFlight(), c.events)
	}
}

// countsAtAll checks the hook: one that is always 0 would pass everything.
func (c *check) countsAtAll() {
	inFlight := make(chan int, 1)
	s := c.serve(func(http.ResponseWriter, *http.Request) { inFlight <- c.InFlight() })
	s.get(s.h1, "/", http.StatusOK)
	if n := await(c, inFlight, "the handler runs"); n < 1 {
		c.fatalf("Conformance.InFlight is %d while a request is served", n)
	}
	if !c.eventually(func() bool { return c.InFlight() == 0 }) {
		c.fatalf("Conformance.InFlight is %d after a plain request, want 0", c.InFlight())
	}
}

// aborts lets 1000 handlers end with end, which the client sees as an error. One
// in ten goes over HTTP/1.1, where it costs a connection.
func (c *check) aborts(end func()) {
	var entered atomic.Int64
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		entered.Add(1)
		end()
	})
	c.slots(func(_, i int) error {
		client := s.h2
		if i%10 == 0 {
			client = s.h1
		}
		// A POST, as a client repeats a GET whose connection was cut.
		if resp, _, err := s.do(client, http.MethodPost, "/", strings.NewReader("x")); err == nil {
			return fmt.Errorf("answered with status %d", resp.StatusCode)
		}
		return c.ctx.Err()
	})
	if n := entered.Load(); n != int64(c.events) && !c.failed() {
		c.errorf("%d of %d requests came to the handler: is the middleware set up to admit all?", n, c.events)
	}
}

func checkSlotsAfterPanic(c *check) {
	c.aborts(func() { panic("seawalltest: planted panic") })
}

func checkSlotsAfterAbort(c *check) {
	c.aborts(func() { panic(http.ErrAbortHandler) })
}

// runtime.Goexit, which a t.FailNow in a handler is, runs the deferred calls with
// nothing to recover.
func checkSlotsAfterGoexit(c *check) {
	c.aborts(runtime.Goexit)
}

// checkSlotsAfterDisconnect has clients leave while their handler works: by the
// reset of a stream, and one in ten by the end of a connection.
func checkSlotsAfterDisconnect(c *check) {
	var entered [slotWorkers]chan struct{}
	for i := range entered {
		entered[i] = make(chan struct{}, 1)
	}
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		entered[r.URL.Path[1]-'0'] <- struct{}{}
		wait(c, r.Context().Done())
	})
	c.slots(func(worker, i int) error {
		client := s.h2
		if i%10 == 0 {
			client = s.h1
		}
		ctx, leave := context.WithCancel(c.ctx)
		defer leave()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s/%d", s.url, worker), nil)
		if err != nil {
			return err
		}
		gone := make(chan error, 1)
		go func() {
			resp, err := client.Do(req)
			if err == nil {
				resp.Body.Close()
			}
			gone <- err
		}()
		if _, ok := wait(c, entered[worker]); !ok {
			return errors.New("the handler was not reached")
		}
		leave()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			return fmt.Errorf("client: %v", err)
		}
		return nil
	})
}

func checkSlotsAfterHijack(c *check) {
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := hijackByController(w)
		if err != nil {
			c.errorf("%w", err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmine")
	})
	c.slots(func(int, int) error {
		_, body, err := s.do(s.h1, http.MethodPost, "/", nil)
		if err == nil && body != "mine" {
			err = fmt.Errorf("body %q", body)
		}
		return err
	})
}

const (
	exactLimit = 8
	exactExtra = 16 // requests more than there are seats
)

// checkLimitExact fills a limit of 8 with 24 requests, three times: in the
// second all who are served panic. Each time exactly 8 must come in.
func checkLimitExact(c *check) {
	var outside atomic.Int64
	var mu sync.Mutex
	inside, most := 0, 0
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		inside += n
		most = max(most, inside)
	}
	var open chan struct{} // closed when those inside may leave
	entered := make(chan struct{}, exactLimit+exactExtra)
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count(+1)
		defer count(-1)
		entered <- struct{}{}
		wait(c, open)
		if r.URL.Path == "/panic" {
			panic(http.ErrAbortHandler)
		}
	})
	s := c.serveWith(func(next http.Handler) http.Handler {
		limited := c.Limited(exactLimit)(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			outside.Add(1)
			defer outside.Add(-1)
			limited.ServeHTTP(w, r)
		})
	}, inner)
	for round, path := range []string{"/", "/panic", "/"} {
		open = make(chan struct{})
		answered := make(chan struct{}, exactLimit+exactExtra)
		for range exactLimit + exactExtra {
			go func() {
				s.do(s.h2, http.MethodPost, path, nil)
				answered <- struct{}{}
			}()
		}
		for i := range exactLimit {
			if _, ok := wait(c, entered); !ok {
				c.fatalf("round %d: %d requests came in within %v, want %d", round+1, i, c.patience, exactLimit)
			}
		}
		// Those who are one too many are refused, or wait for who knows how long.
		refused, enough := 0, time.After(100*time.Millisecond)
		for waiting := true; waiting && refused < exactExtra; {
			select {
			case <-answered:
				refused++
			case <-enough:
				waiting = false
			}
		}
		close(open)
		for range exactLimit + exactExtra - refused {
			await(c, answered, "all requests are answered")
		}
		if !c.eventually(func() bool { return outside.Load() == 0 }) {
			c.fatalf("%d requests never leave the middleware", outside.Load())
		}
		for len(entered) > 0 {
			<-entered
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if most != exactLimit {
		c.errorf("%d requests were inside at a time, want exactly %d", most, exactLimit)
	}
}
