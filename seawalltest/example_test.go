package seawalltest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/seawalltest"
)

// exampleT stands in for the *testing.T that examples have none of.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()                           {}
func (t *exampleT) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func (t *exampleT) end() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

// In a bubble of testing/synctest the server's hours are over at once:
//
//	func TestSlow(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			srv := seawalltest.NewServer(t, handler)
//			...
//		})
//	}
func ExampleNewServer() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	srv := seawalltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Proto, " ", r.URL.Path)
	}))
	for _, client := range []*http.Client{srv.Client(), srv.HTTP2Client()} {
		resp, err := client.Get(srv.URL + "/hello")
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Println(string(body))
	}
	// Output:
	// HTTP/1.1 /hello
	// HTTP/2.0 /hello
}

func ExampleNewServer_configure() {
	t := new(exampleT)
	defer t.end()

	srv := seawalltest.NewServer(t, http.NotFoundHandler(), func(s *http.Server) {
		s.ReadHeaderTimeout = time.Second
		s.MaxHeaderBytes = 1000
	})
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.StatusCode)
	// Output: 404
}

func ExampleServer_ClientFrom() {
	t := new(exampleT)
	defer t.end()

	srv := seawalltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "you are ", r.RemoteAddr)
	}))
	resp, err := srv.ClientFrom("2001:db8::7").Get(srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(string(body))
	// Output: you are [2001:db8::7]:10000
}

func ExampleListen() {
	l := seawalltest.Listen()
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(c, "hello ", c.RemoteAddr())
	}()
	c, err := l.Dial(context.Background(), "tcp", "anywhere:80")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	got, _ := io.ReadAll(c)
	fmt.Println(string(got))
	// Output: hello 198.51.100.1:10000
}

func ExampleRecorder() {
	var rec seawalltest.Recorder
	var observer seawall.Observer = &rec // goes into a component's Config

	ctx := context.Background()
	observer.Observe(ctx, seawall.Event{Component: "shed", Outcome: seawall.Admitted})
	observer.Observe(ctx, seawall.Event{Component: "shed", Outcome: seawall.Rejected, Priority: seawall.Background})

	fmt.Println(len(rec.Events()), "events")
	fmt.Println(rec.Count(func(e seawall.Event) bool { return e.Outcome == seawall.Rejected }), "rejected")
	// Output:
	// 2 events
	// 1 rejected
}

func ExampleConformance() {
	noStore := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			next.ServeHTTP(w, r)
		})
	}
	var t *testing.T // in a test: its own
	_ = func() {
		seawalltest.Conformance{
			Except: []string{"headers-exact"}, // a header field more, by design
		}.Run(t, noStore)
	}
}

// What does a handler of the standard library break?
func ExampleConformance_Check() {
	limitBody := func(next http.Handler) http.Handler { return http.MaxBytesHandler(next, 1<<30) }
	for _, r := range (seawalltest.Conformance{}).Check(limitBody) {
		if r.Err != nil {
			fmt.Println(r.Name)
		}
	}
	// Output: pattern-outward
}

func ExampleMain() {
	_ = func(m *testing.M) { // in a test file: func TestMain
		seawalltest.Main(m)
	}
}

func ExampleCheckLeaks() {
	t := new(exampleT)
	seawalltest.CheckLeaks(t) // first, so that it looks last

	done := make(chan struct{})
	go func() { <-done }()
	t.Cleanup(func() { close(done) })

	t.end()
	// Output:
}
