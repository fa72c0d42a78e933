package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seawall-go/seawall/seawalltest"
)

func TestMain(m *testing.M) { seawalltest.Main(m) }

// start serves on free ports until stop is called.
func start(t *testing.T, cfg config) (app, admin string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	urls := make(chan string, 2)
	cfg.addr, cfg.admin = "127.0.0.1:0", "127.0.0.1:0"
	cfg.ttl, cfg.timeout = time.Hour, time.Minute // a busy machine may take its time
	if cfg.fresh == 0 {
		cfg.fresh = time.Hour
	}
	if cfg.store == nil {
		cfg.store = newStore(1000, time.Millisecond, 20)
	}
	if cfg.progress == nil {
		cfg.progress = io.Discard
	}
	cfg.listening = func(app, admin net.Addr) {
		urls <- "http://" + app.String()
		urls <- "http://" + admin.String()
	}
	done := make(chan error, 1)
	go func() { done <- serve(ctx, cfg) }()
	select {
	case app = <-urls:
	case err := <-done:
		t.Fatalf("serve: %v", err)
	}
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { stop() })
	return app, <-urls, stop
}

// call sends a request; a form makes it a POST.
func call(t *testing.T, url, bearer, form string) (status int, how, body string) {
	t.Helper()
	method := "GET"
	if form != "" {
		method = "POST"
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.Join(resp.Header.Values("Cache-Status"), ", "), string(data)
}

// It is alive at once, and ready when it is warm.
func TestReadyWhenWarm(t *testing.T) {
	held := newStore(1000, 0, 1)
	held.places <- struct{}{} // the warm-up gets no connection until this is taken back
	app, admin, _ := start(t, config{store: held, hot: 200})
	if status, _, body := call(t, app+"/healthz", "", ""); status != 200 || body != "ok\n" {
		t.Errorf("healthz: %d %q", status, body)
	}
	if status, _, _ := call(t, app+"/readyz", "", ""); status != 503 {
		t.Errorf("ready before it is warm: %d", status)
	}
	<-held.places
	for status := 0; status != 200; { // asking takes time enough
		status, _, _ = call(t, app+"/readyz", "", "")
	}
	if reads := held.reads.Load(); reads != 4 {
		t.Errorf("%d queries for 200 posts, want one for 50", reads)
	}
	if _, how, _ := call(t, app+"/posts/1000", "", ""); !strings.HasPrefix(how, "posts; hit, seawall; fwd=uri-miss") {
		t.Errorf("a hot post: %s", how)
	}
	if _, _, body := call(t, admin+"/stats", "", ""); !strings.Contains(body, `"ready": true`) || !strings.Contains(body, `"entries": 200`) {
		t.Errorf("stats: %s", body)
	}
}

// A process that is told to end while it warms up ends.
func TestEndsWhileWarming(t *testing.T) {
	held := newStore(1000, 0, 1)
	held.places <- struct{}{}
	app, _, stop := start(t, config{store: held, hot: 200})
	call(t, app+"/healthz", "", "")
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAdmin(t *testing.T) {
	app, admin, _ := start(t, config{token: "night-shift"})
	call(t, app+"/posts/7", "", "")
	for _, c := range []struct {
		path, bearer, form string
		status             int
	}{
		{"/purge", "", "tag=author:author-7", 403},
		{"/purge", "wrong", "tag=author:author-7", 403},
		{"/store", "wrong", "broken=true", 403},
		{"/purge", "night-shift", "tag=", 400},
		{"/store", "night-shift", "broken=perhaps", 400},
		{"/purge", "night-shift", "url=/posts/7", 400}, // of which host?
		{"/purge", "night-shift", "tag=author:author-8", 204},
	} {
		if status, _, body := call(t, admin+c.path, c.bearer, c.form); status != c.status {
			t.Errorf("%s %q with %q: %d %s", c.path, c.form, c.bearer, status, body)
		}
	}
	if _, how, _ := call(t, app+"/posts/7", "", ""); !strings.Contains(how, "seawall; hit") {
		t.Errorf("another author's purge: %s", how)
	}
	call(t, admin+"/purge", "night-shift", "tag=author:author-7")
	if _, how, _ := call(t, app+"/posts/7", "", ""); !strings.HasPrefix(how, "posts; fwd=miss, seawall; fwd=uri-miss") {
		t.Errorf("after a purge: %s", how)
	}
	call(t, admin+"/purge", "night-shift", "url="+app+"/posts/7")
	if _, how, _ := call(t, app+"/posts/7", "", ""); !strings.HasPrefix(how, "posts; hit, seawall; fwd=uri-miss") {
		t.Errorf("after a purge of the page alone: %s", how)
	}
	call(t, admin+"/store", "night-shift", "broken=true")
	if status, how, _ := call(t, app+"/posts/7", "", ""); status != 200 || !strings.Contains(how, "seawall; hit") {
		t.Errorf("while the database is away: %d %s", status, how)
	}
	if status, _, _ := call(t, app+"/posts/8", "", ""); status != 503 {
		t.Errorf("what nobody knows, while the database is away: %d", status)
	}
}

func TestPurgeNeedsAToken(t *testing.T) {
	_, admin, _ := start(t, config{})
	if status, _, _ := call(t, admin+"/purge", "", "tag=author:author-7"); status != 403 {
		t.Errorf("without a token: %d", status)
	}
}

func TestFlags(t *testing.T) {
	for _, bad := range []string{"-ttl=soon", "-ttl=-1s", "-redis=nonsense://", "-addr=nonsense", "-admin=nonsense -addr=127.0.0.1:0"} {
		if err := run(t.Context(), strings.Fields(bad)); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := run(ctx, strings.Fields("-addr=127.0.0.1:0 -admin=127.0.0.1:0 -broken -redis=redis://127.0.0.1:1/0")); err != nil {
		t.Error(err)
	}
}

func TestBar(t *testing.T) {
	var seen bytes.Buffer
	if onTerminal(&seen) {
		t.Error("a buffer is no terminal")
	}
}
