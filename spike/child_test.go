package spike

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// childModeEnv makes the child of these tests misbehave, see TestMain.
const childModeEnv = "SEAWALL_SPIKE_TEST_MODE"

// misbehave is what a program may do in place of ChildMain.
func misbehave() {
	switch os.Getenv(childModeEnv) {
	case "silent":
		os.Exit(3)
	case "chatty":
		fmt.Fprintln(os.Stdout, "hello, world")
		select {}
	case "panic":
		panic("on purpose")
	case "handler": // a panic in a handler is nobody's to hide
		HandlerTarget(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("in the handler") }), nil)(context.Background(), &Request{})
		select {}
	case "nested": // it has forgotten to call ChildMain
		_, err := RunChild(context.Background(), minimal(), "http://localhost", nil)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestRunChild(t *testing.T) {
	var served [seawall.NumPriorities]atomic.Int64
	srv := server(t, func(w http.ResponseWriter, r *http.Request) {
		p := PriorityFromPath(r)
		served[seawall.Critical-p].Add(1)
		if p == seawall.Sheddable {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	l := Load{Profile: Steady(400), Duration: sec, Seed: 5, Timeout: time.Minute}
	var (
		mu   sync.Mutex
		seen []Progress
	)
	rec, err := RunChild(t.Context(), l, srv.URL, func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, p)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Samples) < 300 || rec.Load.Users != 20_000 || rec.Elapsed < sec/2 || rec.Started.IsZero() {
		t.Errorf("%d samples of %+v in %v", len(rec.Samples), rec.Load, rec.Elapsed)
	}
	// The same seed draws the same first requests here.
	for i, want := range drawAll(t, l)[:20] {
		found := false
		for _, s := range rec.Samples {
			found = found || s.ID == want.ID && s.Intended == want.Intended && s.User == uint32(want.User) && s.Priority == want.Priority
		}
		if !found {
			t.Fatalf("request %d, %+v, is not in the child's record", i, want)
		}
	}
	var good, refused, inJourneys int64
	for _, s := range rec.Samples {
		switch s.Outcome {
		case Success:
			good++
		case Rejected:
			refused++
			if s.Priority != seawall.Sheddable {
				t.Errorf("refused: %+v", s)
			}
		default:
			t.Errorf("%+v", s)
		}
		if s.Step > 1 {
			inJourneys++
		}
	}
	if good != served[0].Load()+served[1].Load() || refused != served[2].Load() || inJourneys == 0 {
		t.Errorf("%d successes and %d refusals in the record, %v, %v and %v in the server", good, refused, served[0].Load(), served[1].Load(), served[2].Load())
	}
	if last := seen[len(seen)-1]; len(seen) < 3 || seen[0].At != 0 || !last.Done || last.Attempts != rec.Attempts {
		t.Errorf("%d reports, the first %+v, the last %+v", len(seen), seen[0], seen[len(seen)-1])
	}
}

func TestRunChildErrors(t *testing.T) {
	l := minimal()
	if _, err := RunChild(t.Context(), Load{}, "http://localhost", nil); err == nil || !strings.Contains(err.Error(), "Profile.Points") {
		t.Errorf("a load that is wrong: %v", err)
	}
	if _, err := RunChild(t.Context(), l, "nowhere", nil); err == nil ||
		err.Error() != "seawall/spike: child: URL must be an http or https URL with a host (got nowhere)" {
		t.Errorf("a target that is wrong: %v", err)
	}
	for mode, want := range map[string]string{
		"silent": "exit status 3", "handler": "panic: in the handler", "panic": "panic: on purpose", "chatty": "reading progress: ",
		"nested": "main must call ChildMain before RunChild",
	} {
		t.Setenv(childModeEnv, mode)
		if _, err := RunChild(t.Context(), l, "http://localhost", nil); err == nil ||
			!strings.HasPrefix(err.Error(), "seawall/spike: child: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want ...%s...", mode, err, want)
		}
	}
}

// TestRunChildWithALongProfile: the load is longer than a pipe.
func TestRunChildWithALongProfile(t *testing.T) {
	srv := server(t, func(http.ResponseWriter, *http.Request) {})
	l := Load{Duration: 100 * ms, Timeout: time.Minute}
	for i := range 50_000 {
		l.Profile.Points = append(l.Profile.Points, Point{time.Duration(i) * time.Microsecond, 500})
	}
	rec, err := RunChild(t.Context(), l, srv.URL, nil)
	if err != nil || len(rec.Samples) == 0 || len(rec.Load.Profile.Points) != 50_000 {
		t.Fatalf("got %v", err)
	}
}

// TestRunChildIsKilled: the end of the context ends the child, and with it its
// connections.
func TestRunChildIsKilled(t *testing.T) {
	gone := make(chan struct{})
	var once sync.Once
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	srv := server(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(why)
		<-r.Context().Done()
		once.Do(func() { close(gone) })
	})
	l := Load{Profile: Steady(100), Duration: time.Hour, Timeout: time.Hour}
	rec, err := RunChild(ctx, l, srv.URL, nil)
	if err != why || rec != nil {
		t.Errorf("got %v, %v", rec, err)
	}
	<-gone
}

// TestChildDiesWithItsParent: when the pipe from the parent ends, so does the
// child, and says why.
func TestChildDiesWithItsParent(t *testing.T) {
	srv := server(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	job, _ := json.Marshal(childJob{Load: Load{Profile: Steady(100), Duration: time.Hour, Timeout: time.Hour}, URL: srv.URL})
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	said := &tail{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = stdin.Write(job)
	_, _ = io.ReadFull(stdout, make([]byte, 10)) // it runs
	stdin.Close()
	_, _ = io.Copy(io.Discard, stdout)
	if err := cmd.Wait(); err == nil || !strings.Contains(said.String(), "the parent process has gone") {
		t.Errorf("the child ends with %v and says %q", err, said)
	}
}

func TestChildRefusesNonsense(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "reading the load: EOF",
		"{":                             "reading the load: unexpected EOF",
		`{"lode":{}}`:                   `unknown field "lode"`,
		`{"load":{},"url":"http://x/"}`: "Profile.Points",
	} {
		if err := child(strings.NewReader(in), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want ...%s...", in, err, want)
		}
	}
}

func TestTail(t *testing.T) {
	var s tail
	for range 1000 {
		if n, err := s.Write([]byte("0123456789")); n != 10 || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := s.String(); len(got) != errorTail || !strings.HasSuffix(got, "6789") {
		t.Errorf("kept %d bytes", len(got))
	}
}

func TestChildMainIsQuietElsewhere(t *testing.T) {
	ChildMain() // or this test would end here
}
