//go:build unix

package shedtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/metrics"
	"strconv"
	"syscall"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

//house:sleep it stands for work in a server that is real

// floodEnv makes this program the server that is flooded.
const floodEnv = "SEAWALL_TEST_FLOODED"

// The paths of that server. Both answer 503 with the same fields and body.
const (
	alonePath = "/alone" // written by hand: net/http and nothing else
	shedPath  = "/shed"  // by a Shedder whose house is full
	statePath = "/state" // what the process has used of the processor
)

// byHand is what a Shedder answers, as net/http's users write it.
func byHand(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h["Cache-Control"] = []string{"no-store"}
	h["Seawall-Reason"] = []string{"overloaded"}
	h["Retry-After"] = []string{"12"}
	h["Content-Type"] = []string{"application/problem+json"}
	h["Content-Length"] = []string{strconv.Itoa(len(handBody))}
	w.WriteHeader(http.StatusServiceUnavailable)
	io.WriteString(w, handBody)
}

const handBody = `{"type":"about:blank","title":"Service Unavailable","status":503,` +
	`"detail":"The service is at capacity. Nothing was done; try again later.","reason":"overloaded"}` + "\n"

// floodedChild serves until its standard input ends, and says where.
func floodedChild() int {
	shedder := seawall.Must(shed.New(shed.Config{
		MinLimit: 1, MaxLimit: 4,
		CriticalWait: time.Minute, // nobody gives up: there is always one who waits
		Classify: seawall.Must(seawall.NewClassifier(seawall.ClassifierConfig{
			Routes: map[string]seawall.Class{"GET " + shedPath: {}, "POST /login": {Priority: seawall.Critical}},
			User:   seawall.Identity{Cookie: "session"},
		})),
	}))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 12 {
		go occupy(ctx, shedder)
	}
	for shedder.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	mux := http.NewServeMux()
	mux.HandleFunc(alonePath, byHand)
	mux.Handle(shedPath, shedder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})))
	mux.HandleFunc(statePath, func(w http.ResponseWriter, _ *http.Request) {
		st := shedder.Stats()
		normal := st.Priorities[1]
		fmt.Fprintf(w, "%d %d %d %d", used(), collections(), normal.Refused, normal.Floored)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Close()
	}()
	fmt.Println(l.Addr()) //nolint:forbidigo // its parent reads it
	_ = server.Serve(l)
	return 0
}

// occupy is a Critical user after the other. Three times as many as there are
// seats leave none to anybody else, and their work is what the law measures.
func occupy(ctx context.Context, s *shed.Shedder) {
	for ctx.Err() == nil {
		p, err := s.Acquire(ctx, seawall.Class{Priority: seawall.Critical})
		if err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
		p.Release()
	}
}

// used is the processor time of this process so far, user and system.
func used() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// state is what the child says of itself: the processor time it has used, its
// garbage collections, and how many it has refused, at the door and in all.
type state struct {
	cpu                   time.Duration
	gcs, refused, floored uint64
}

func parseState(text string) (s state, err error) {
	_, err = fmt.Sscan(text, &s.cpu, &s.gcs, &s.refused, &s.floored)
	return s, err
}
