package promobserver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/promobserver"
	"github.com/seawall-go/seawall/shed"
)

//house:sleep a Prometheus scrapes once a second, by its own clock

// TestPrometheus has a real one scrape us, and asks it.
func TestPrometheus(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		const how = "there is no prometheus here: apt-get install -y --no-install-recommends prometheus"
		if os.Getenv("SEAWALL_REQUIRE_ENGINES") == "1" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	o := newObserver(t, promobserver.Config{})
	s := seawall.Must(shed.New(shed.Config{Name: "api", MinLimit: 3, MaxLimit: 3, NormalWait: seawall.Off, Observer: o}))
	defer s.Close(t.Context())
	c := newCollector(t, s)
	for range 5 { // three are let in and stay, two are refused
		if p, err := s.Acquire(t.Context(), seawall.Class{}); err == nil {
			defer p.Release()
		}
	}
	target := httptest.NewServer(promhttp.HandlerFor(registry(t, o, c), promhttp.HandlerOpts{}))
	defer target.Close()

	api := startPrometheus(t, binary, strings.TrimPrefix(target.URL, "http://"))
	for query, want := range map[string]string{
		`seawall_shed_in_flight{name="api"}`: "3",
		`seawall_shed_limit{name="api"}`:     "3",
		`sum(seawall_decisions_total{component="shed",name="api",outcome="rejected",reason="overloaded",dry_run="false"})`: "2",
		`sum(seawall_shed_requests_total{outcome="rejected"})`:                                                             "2",
		`count(seawall_shed_state)`:         "4",
		`sum(seawall_scrape_skipped_total)`: "0",
		`min(up{job="seawall"})`:            "1",
	} {
		got := ""
		for deadline := time.Now().Add(20 * time.Second); got == "" && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			got = ask(api, query)
		}
		if got != want {
			t.Errorf("%s is %q, want %q", query, got, want)
		}
	}
}

// startPrometheus runs one that scrapes the target, and returns where its API
// is. It is killed at the end of the test.
func startPrometheus(t *testing.T, binary, target string) string {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("scrape_configs:\n- job_name: seawall\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  static_configs:\n  - targets: [%q]\n", target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// It cannot be told to find a port. One that was free a moment ago is.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus says:\n%s", out.Bytes())
		}
	})
	return "http://" + addr
}

// ask returns the value of a query with one result, or "" if there is none yet.
func ask(api, query string) string {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(api + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any
			}
		}
	}
	if json.NewDecoder(resp.Body).Decode(&answer) != nil || len(answer.Data.Result) != 1 {
		return ""
	}
	value, _ := answer.Data.Result[0].Value[1].(string)
	return value
}
