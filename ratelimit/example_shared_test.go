package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

// inMemory is a store for an example. Real ones count in time, see
// adapters/redisstore: here no token ever comes back.
type inMemory struct {
	mu   sync.Mutex
	used map[string]int64
}

func (m *inMemory) TakeUpTo(_ context.Context, t ratelimit.RemoteTake) (ratelimit.RemoteTaken, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	used := max(0, min(m.used[t.Key]+t.Used, t.Rate.Burst)-t.Back)
	got := ratelimit.RemoteTaken{Got: max(0, min(t.Want, t.UpTo-used)), RetryAfter: time.Hour}
	if got.Got < t.Least {
		got.Got = 0
	}
	m.used[t.Key] = used + got.Got
	got.Left = t.Rate.Burst - m.used[t.Key]
	return got, nil
}

func ExampleRemote() {
	store := &inMemory{used: make(map[string]int64)}
	var fleet []*ratelimit.Shared
	for range 2 {
		fleet = append(fleet, seawall.Must(ratelimit.NewShared(ratelimit.SharedConfig{
			Rate:    ratelimit.Per(30, time.Hour), // a burst of 3
			Sharing: ratelimit.Sharing{Store: store, Nodes: 2, Exact: true, Budget: time.Second},
		})))
	}
	n := 0
	for i := range 10 {
		if fleet[i%2].Take(context.Background(), "alice", 1, seawall.Normal).OK {
			n++
		}
	}
	fmt.Println(n, "admitted by two processes together")
	for _, s := range fleet {
		if err := s.Close(context.Background()); err != nil {
			fmt.Println(err)
		}
	}
	// Output: 3 admitted by two processes together
}

func ExampleNewShared() {
	store := &inMemory{used: make(map[string]int64)}
	logins := seawall.Must(ratelimit.NewShared(ratelimit.SharedConfig{
		Name: "login",
		Rate: ratelimit.Per(20, time.Hour),
		Sharing: ratelimit.Sharing{
			Store: store, Nodes: 4, Budget: time.Second,
			Secret: []byte("the same in all processes"), // nobody finds names by trying
		},
		OnChange: func(up bool, cause error) { fmt.Println("the store is there:", up, cause) },
	}))
	for range 3 {
		d := logins.Take(context.Background(), "ann@example.com", 1, seawall.Normal)
		fmt.Println(d.OK, d.Source)
	}
	if err := logins.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// true store
	// true store
	// false store
}

func ExampleShared_SetRate() {
	s := seawall.Must(ratelimit.NewShared(ratelimit.SharedConfig{
		Rate:    ratelimit.Per(10, time.Hour),
		Sharing: ratelimit.Sharing{Store: &inMemory{used: make(map[string]int64)}, Nodes: 1, Budget: time.Second},
	}))
	ctx := context.Background()
	fmt.Println(s.Take(ctx, "alice", 3, seawall.Normal).OK) // of one
	if err := s.SetRate(ratelimit.Per(100, time.Hour)); err != nil {
		fmt.Println(err)
	}
	fmt.Println(s.Take(ctx, "alice", 3, seawall.Normal).OK) // of ten
	if err := s.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// false
	// true
}

// A limit of a whole fleet beside one of each process.
func ExampleSharing() {
	store := &inMemory{used: make(map[string]int64)} // redisstore.New(...)
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{
		{
			Name: "per-user", Key: ratelimit.ByUser(), Rate: ratelimit.Per(600, time.Minute),
			Sharing: &ratelimit.Sharing{Store: store, Nodes: 8},
		},
		ratelimit.Total(5000, time.Second),
	}}))
	defer func() {
		// Gives back what is leased, when the server has been shut down.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := limits.Close(ctx); err != nil {
			fmt.Println(err)
		}
	}()
	for _, p := range limits.Stats().Policies {
		fmt.Println(p.Name, p.Rate, "shared:", p.Shared != nil)
	}
	// Output:
	// per-user 600 per 1m0s, burst 60 shared: true
	// total 5000 per 1s, burst 500 shared: false
}

func ExampleNewPacer() {
	partner := seawall.Must(ratelimit.NewPacer(ratelimit.PacerConfig{
		Name: "weather", Rate: ratelimit.Rate{Limit: 1}, MaxWait: 50 * time.Millisecond,
	}))
	fmt.Println(partner.Wait(context.Background()))
	err := partner.Wait(context.Background()) // a second would be too long
	fmt.Println(err, errors.Is(err, seawall.RateLimited))
	// Output:
	// <nil>
	// seawall/ratelimit weather: rejected: rate_limited true
}

// A client that never sends more than the partner allows.
func ExamplePacer_Transport() {
	weather := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "rain")
	}))
	defer weather.Close()
	pacer := seawall.Must(ratelimit.NewPacer(ratelimit.PacerConfig{Rate: ratelimit.Per(100, time.Second).WithBurst(1)}))
	client := &http.Client{Transport: pacer.Transport(nil), Timeout: 5 * time.Second}
	for range 3 {
		resp, err := client.Get(weather.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(resp.Status)
		_ = resp.Body.Close()
	}
	client.CloseIdleConnections()
	// Output:
	// 200 OK
	// 200 OK
	// 200 OK
}
