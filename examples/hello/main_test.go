package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seawall-go/seawall/seawalltest"
	"github.com/seawall-go/seawall/shed"
)

func TestMain(m *testing.M) { seawalltest.Main(m) }

// start serves on free ports until stop is called, which returns what serve
// returned.
func start(t *testing.T, cfg config) (shop, admin string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	urls := make(chan string, 2)
	cfg.addr, cfg.admin = "127.0.0.1:0", "127.0.0.1:0"
	cfg.ready = func(shop, admin net.Addr) {
		urls <- "http://" + shop.String()
		urls <- "http://" + admin.String()
	}
	done := make(chan error, 1)
	go func() { done <- serve(ctx, cfg) }()
	select {
	case shop = <-urls:
	case err := <-done:
		t.Fatalf("serve: %v", err)
	}
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { stop() })
	return shop, <-urls, stop
}

func send(t *testing.T, method, url string) (status int, header http.Header, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, nil, ""
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, resp.Header, string(data)
}

func snapshot(t *testing.T, admin string) (stats shed.Stats, text string) {
	t.Helper()
	status, header, body := send(t, http.MethodGet, admin+"/seawall")
	if status != http.StatusOK || header.Get("Content-Type") != "application/json" {
		t.Fatalf("snapshot: status %d, header %v", status, header)
	}
	var s struct {
		Component string     `json:"component"`
		Detail    shed.Stats `json:"detail"`
	}
	if err := json.Unmarshal([]byte(body), &s); err != nil || s.Component != "shed" {
		t.Fatalf("snapshot: %v\n%s", err, body)
	}
	return s.Detail, body
}

func TestServes(t *testing.T) {
	shop, admin, stop := start(t, config{database: newDatabase(4, time.Millisecond)})
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/login", "welcome", 200},
		{"POST", "/payments", "paid", 200},
		{"GET", "/feed", "a post", 200},
		{"GET", "/recommendations", "something you may like", 200},
		{"GET", "/healthz", "ok", 200},
		{"GET", "/login", "", 405},
		{"GET", "/nowhere", "", 404},
	} {
		status, header, body := send(t, c.method, shop+c.path)
		if status != c.status || (c.body != "" && body != c.body+"\n") {
			t.Errorf("%s %s: %d %q", c.method, c.path, status, body)
		}
		if header.Get("Seawall-Reason") != "" {
			t.Errorf("%s %s: header %v", c.method, c.path, header)
		}
	}
	if s, text := snapshot(t, admin); s.Exempt != 1 || !s.DryRun {
		t.Errorf("exempt %d, dry run %v, want 1 and true\n%s", s.Exempt, s.DryRun, text)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(shop, "http://")); err == nil {
		t.Error("still listening after the shutdown")
	}
}

// crowd sends n recommendations at once and returns how many had which status.
func crowd(t *testing.T, shop string, n int) (statuses map[int]int, refused http.Header) {
	t.Helper()
	statuses = map[int]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			status, header, _ := send(t, http.MethodGet, shop+"/recommendations")
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
			if status == http.StatusServiceUnavailable {
				refused = header
			}
		})
	}
	wg.Wait()
	return statuses, refused
}

// Hundreds at once are more than anybody is let in unseen, and with queries of
// 300 ms no seat falls free within the 50 ms that a recommendation waits.
func TestRefuses(t *testing.T) {
	shop, admin, stop := start(t, config{enforce: true, database: newDatabase(200, 300*time.Millisecond)})
	statuses, refused := crowd(t, shop, 300)
	if statuses[200] == 0 || statuses[503] == 0 || statuses[200]+statuses[503] != 300 {
		t.Fatalf("statuses %v, want some 200 and some 503", statuses)
	}
	if refused.Get("Seawall-Reason") == "" || refused.Get("Retry-After") == "" {
		t.Errorf("header of a refusal: %v", refused)
	}
	s, text := snapshot(t, admin)
	if got := s.Priorities[2].Refused; got != uint64(statuses[503]) {
		t.Errorf("%d Sheddable counted as refused, want %d\n%s", got, statuses[503], text)
	}
	if status, _, _ := send(t, http.MethodGet, shop+"/healthz"); status != http.StatusOK {
		t.Errorf("health check: %d", status)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestDryRunRefusesNobody(t *testing.T) {
	shop, admin, stop := start(t, config{database: newDatabase(300, 300*time.Millisecond)})
	if statuses, _ := crowd(t, shop, 300); statuses[200] != 300 {
		t.Errorf("statuses %v, want 300 times 200", statuses)
	}
	if s, text := snapshot(t, admin); s.Priorities[2].Refused == 0 {
		t.Errorf("nobody counted as refused\n%s", text)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// Requests under way are answered before the server ends.
func TestShutdownWaits(t *testing.T) {
	db := newDatabase(1, 200*time.Millisecond)
	shop, _, stop := start(t, config{enforce: true, database: db})
	answered := make(chan int, 1)
	go func() {
		status, _, _ := send(t, http.MethodPost, shop+"/payments")
		answered <- status
	}()
	for len(db.connections) == 0 { // until the query runs
		select {
		case status := <-answered:
			t.Fatalf("answered with %d before the shutdown", status)
		case <-time.After(time.Millisecond):
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if status := <-answered; status != http.StatusOK {
		t.Errorf("a payment under way at the shutdown: %d", status)
	}
}

func TestListenErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, cfg := range []config{
		{addr: taken.Addr().String(), admin: "127.0.0.1:0"},
		{addr: "127.0.0.1:0", admin: taken.Addr().String()},
	} {
		cfg.database = newDatabase(1, time.Millisecond)
		if err := serve(t.Context(), cfg); err == nil {
			t.Errorf("serve on a port that is taken (%+v): no error", cfg)
		}
	}
}

// A client that gives up leaves the database's queue.
func TestQueryEndsWithItsClient(t *testing.T) {
	db := newDatabase(1, time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- db.query(ctx) }()
	}
	cancel()
	for range 2 {
		if err := <-done; err == nil {
			t.Error("a query of an hour succeeded")
		}
	}
	if len(db.connections) != 0 {
		t.Error("a connection was not given back")
	}
}
