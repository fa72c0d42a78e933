package spike

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// testSites are what the test's own program serves as a child.
var testSites = Sites{
	"burner": func(arg string) (Site, error) {
		work, err := time.ParseDuration(arg)
		if err != nil {
			return Site{}, err
		}
		b, err := NewBurner(BurnerConfig{Work: work})
		if err != nil {
			return Site{}, err
		}
		return Site{Handler: b.Handler(), Stats: b.Stats}, nil
	},
	"procs": func(arg string) (Site, error) {
		fmt.Println("some chatter") //nolint:forbidigo // what a child prints
		return Site{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strconv.Itoa(runtime.GOMAXPROCS(0))+arg)
		})}, nil
	},
	"exits": func(string) (Site, error) {
		return Site{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { os.Exit(7) })}, nil
	},
	"slow": func(string) (Site, error) { select {} },
	"stuck": func(string) (Site, error) {
		return Site{
			Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
			Stats:   func() BackendStats { select {} },
		}, nil
	},
	"empty": func(string) (Site, error) { return Site{}, nil },
	"nested": func(string) (Site, error) {
		_, err := StartServer(context.Background(), ServerConfig{Name: "nested"})
		return Site{}, err
	},
}

func startServer(t *testing.T, cfg ServerConfig) *Server {
	t.Helper()
	s, err := StartServer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = s.Close(context.Background()) })
	return s
}

func get(t *testing.T, url string) (string, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestServer(t *testing.T) {
	s := startServer(t, ServerConfig{Name: "burner", Arg: "1ms"})
	before, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				if body, err := get(t, s.URL()+"/critical"); err != nil || body != "ok\n" {
					t.Errorf("got %q, %v", body, err)
				}
			}
		})
		wg.Go(func() { // and who asks for counters meanwhile
			for range 3 {
				if _, err := s.Stats(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	stats, err := s.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b := stats.Backend; before.Backend.Served != 0 || b.Served != 40 || b.Busy != 40*ms || b.InService != 0 {
		t.Errorf("before %+v, in the end %+v", before, stats)
	}
	if cpuTime() > 0 && stats.Sub(before).CPU < 20*ms {
		t.Errorf("40 ms of work took %v", stats.Sub(before).CPU)
	}
	if again, err := s.Close(t.Context()); again != stats || err != nil {
		t.Errorf("closed again: %+v, %v", again, err)
	}
	if _, err := s.Stats(t.Context()); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("counters of a closed server: %v", err)
	}
	if _, err := get(t, s.URL()); err == nil {
		t.Error("it still serves")
	}
}

func TestServerProcessors(t *testing.T) {
	for procs, want := range map[int]string{0: "1!", 2: "2!"} {
		s := startServer(t, ServerConfig{Name: "procs", Arg: "!", MaxProcs: procs})
		if got, err := get(t, s.URL()); got != want {
			t.Errorf("got %q, want %q, %v", got, want, err)
		}
		if stats, err := s.Close(t.Context()); err != nil || stats.Backend != (BackendStats{}) {
			t.Errorf("got %+v, %v", stats, err)
		}
	}
}

func TestStartServerErrors(t *testing.T) {
	for want, cfg := range map[string]ServerConfig{
		"Name must be the name of a site":                                {},
		"MaxProcs must be between 1 and 1024 (got -2)":                   {Name: "procs", MaxProcs: -2},
		"seawall/spike: server: this program has no site \"none\"":       {Name: "none"},
		"seawall/spike: server: site empty has no handler":               {Name: "empty"},
		"seawall/spike: server: site burner: time: invalid duration":     {Name: "burner", Arg: "soon"},
		"site burner: seawall/spike: Work must be positive":              {Name: "burner", Arg: "-1s"},
		"main must call ServeMain and ChildMain before StartServer":      {Name: "nested"},
		"this program has no site \"" + strings.Repeat("x", 64) + "\"\n": {Name: strings.Repeat("x", 64)},
	} {
		if _, err := StartServer(t.Context(), cfg); err == nil || !strings.Contains(err.Error()+"\n", want) {
			t.Errorf("got %v, want ...%s...", err, want)
		}
	}
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*ms, func() { cancel(why) })
	if _, err := StartServer(ctx, ServerConfig{Name: "slow"}); err != why {
		t.Errorf("a site that is never built: %v", err)
	}
}

// TestServerDies: a child that ends by itself says so, and one that does not
// answer is killed when the caller has waited enough.
func TestServerDies(t *testing.T) {
	s := startServer(t, ServerConfig{Name: "exits"})
	_, _ = get(t, s.URL())
	if _, err := s.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("got %v", err)
	}
	s = startServer(t, ServerConfig{Name: "stuck"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*ms)
	defer cancel()
	if _, err := s.Stats(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("counters: %v", err)
	}
	if _, err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || s.cmd.ProcessState == nil {
		t.Errorf("closed: %v, %v", err, s.cmd.ProcessState)
	}
	s = startServer(t, ServerConfig{Name: "stuck"})
	asked := make(chan error, 1)
	go func() { // has the turn for ever
		_, err := s.Stats(context.Background())
		asked <- err
	}()
	for len(s.turn) > 0 {
		runtime.Gosched()
	}
	if _, err := s.Close(ctx); err == nil || s.cmd.ProcessState == nil {
		t.Errorf("closed: %v, %v", err, s.cmd.ProcessState)
	}
	if err := <-asked; err == nil {
		t.Error("a dead child has counters")
	}
}

// TestServerIsKilled: the end of the context it was started with is its end.
func TestServerIsKilled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := StartServer(ctx, ServerConfig{Name: "procs"})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for err == nil { // until it serves no more
		_, err = get(t, s.URL())
	}
	if _, err := s.Close(t.Context()); err == nil || s.cmd.ProcessState == nil {
		t.Errorf("got %v, %v", err, s.cmd.ProcessState)
	}
}

// TestServerDiesWithItsParent: when the pipe from the parent ends, so does the
// child, though a request hangs on and nobody reads what it writes.
func TestServerDiesWithItsParent(t *testing.T) {
	job, _ := json.Marshal(serveJob{Name: "burner", Arg: "1ms"})
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"=1")
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = stdin.Write(append(job, '\n'))
	var line serveLine
	if err := json.NewDecoder(stdout).Decode(&line); err != nil {
		t.Fatal(err)
	}
	if body, err := get(t, line.URL); body != "ok\n" {
		t.Errorf("got %q, %v", body, err)
	}
	stdout.Close()
	stdin.Close()
	_ = cmd.Wait() // or the test would not end
	if _, err := get(t, line.URL); err == nil {
		t.Error("an orphan serves")
	}
}

// TestServeSiteSpeaks: what it writes for what it reads.
func TestServeSiteSpeaks(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "no job",
		"{":                    "reading the job",
		`{"name":"none"}`:      `no site "none"`,
		`{"name":"empty"}`:     "no handler",
		`{"name":"burner"}`:    "site burner",
		"\n{\"name\":\"x\"}\n": "reading the job",
	} {
		if err := serveSite(strings.NewReader(in), io.Discard, testSites); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want ...%s...", in, err, want)
		}
	}
	closed := false
	sites := Sites{"s": func(string) (Site, error) {
		return Site{
			Handler: http.NotFoundHandler(), Close: func() { closed = true },
			Stats: func() BackendStats { return BackendStats{Served: 9} },
		}, nil
	}}
	var out bytes.Buffer
	if err := serveSite(strings.NewReader("{\"name\":\"s\"}\n\n\n"), &out, sites); err != nil || !closed {
		t.Errorf("got %v, closed %v", err, closed)
	}
	dec := json.NewDecoder(&out)
	for i, want := range []serveLine{{}, {Seq: 1}, {Seq: 2}, {Final: true}} {
		var l serveLine
		if err := dec.Decode(&l); err != nil || l.Seq != want.Seq || l.Final != want.Final || (l.URL != "") != (i == 0) || (i > 0 && l.Stats.Backend.Served != 9) {
			t.Errorf("line %d: %+v, %v", i, l, err)
		}
	}
	if err := serveSite(strings.NewReader("{\"name\":\"s\"}\n\n\n"), &failingWriter{}, sites); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("nobody reads: %v", err)
	}
	ServeMain(testSites) // or this test would end here
}

// TestRunServer plays a scenario against a burner: three times what it can do,
// for a moment.
func TestRunServer(t *testing.T) {
	s := startServer(t, ServerConfig{Name: "burner", Arg: "5ms"})
	backend, err := OneQueue(200, 0)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Scenarios(ScenarioConfig{Backend: backend, Duration: sec, Peak: 3})
	if err != nil {
		t.Fatal(err)
	}
	target := httpTarget(t, HTTPConfig{URL: s.URL()})
	var reports int
	rec, stats, err := all[0].RunServer(t.Context(), s, Against(target.Do), func(Progress) { reports++ })
	if err != nil {
		t.Fatal(err)
	}
	total, err := s.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Backend.Served == 0 || stats.Backend.Served >= total.Backend.Served || len(rec.Samples) == 0 || reports < 2 {
		t.Errorf("in the spike %+v, in all %+v, %d requests", stats, total, len(rec.Samples))
	}
	ill := all[0]
	ill.Faults = []Fault{{For: sec, Kind: FaultHang}}
	if _, _, err := ill.RunServer(t.Context(), s, Against(instant), nil); err == nil || !strings.Contains(err.Error(), "Faults must be none") {
		t.Errorf("a fault: %v", err)
	}
	if _, _, err := all[0].RunServer(t.Context(), nil, Against(instant), nil); err == nil {
		t.Error("no server is taken")
	}
	if _, _, err := (Scenario{}).RunServer(t.Context(), s, Against(instant), nil); err == nil {
		t.Error("no load is taken")
	}
	if _, _, err := all[0].RunServer(t.Context(), s, Against(instant), nil); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a closed server: %v", err)
	}
}
