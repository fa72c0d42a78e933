//go:build linux

package ratelimittest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

//house:sleep a flood comes at a speed, and memory is given back when it is over

const (
	floodEnv   = "SEAWALL_TEST_RATE_FLOOD" // how many addresses, and how long to wait afterwards
	perSecond  = 1_000_000
	limit      = 20
	window     = time.Minute
	burst      = limit / 10
	abusers    = 1000
	newcomerIn = 300  // one in so many requests, from a network of its own
	crowdedIn  = 1000 // one in so many, from one of 20 networks that many share
)

func init() { //nolint:gochecknoinits // on other systems there is no child
	child = func() {
		if os.Getenv(floodEnv) != "" {
			os.Exit(floodChild())
		}
	}
}

// result is what the child says.
type result struct {
	Flood, FloodAdmitted   int
	Took                   time.Duration
	Abusers                int     // requests of theirs that were admitted
	Allowed                float64 // what their limit allows them in that time
	LetIn                  int     // abusers who got more than that
	Newcomers, NewcomersIn int
	Crowded, CrowdedIn     int
	Worst, Second, P999    time.Duration // of a request, by the clock
	Own                    time.Duration // the worst, by what the processor has done for it
	Locked                 time.Duration // of all that time goroutines have waited for locks
	// Bytes resident: before New, after ordinary clients, at most, and at the end.
	Base, Ordinary, Peak, Left int
	Displaced, Keys, Collected uint64
}

func floodChild() int {
	var n int
	var wait time.Duration
	if _, err := fmt.Sscan(os.Getenv(floodEnv), &n, (*int64)(&wait)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	out := result{Flood: n, Base: status("VmRSS"), Locked: -locked()}
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{ratelimit.PerIP(limit, window)}}))
	h := limits.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	workers := make([]*worker, runtime.GOMAXPROCS(0))
	for i := range workers {
		workers[i] = newWorker(h)
	}
	each := func(do func(w *worker, i int)) {
		var all sync.WaitGroup
		for i, w := range workers {
			all.Go(func() { do(w, i) })
		}
		all.Wait()
	}
	each((*worker).ordinary)
	out.Ordinary = status("VmRSS")
	began := time.Now()
	each(func(w *worker, i int) { w.flood(began, i, len(workers), n) })
	out.Took, out.Peak = time.Since(began), status("VmHWM")
	out.Locked += locked()
	var fast [len(worker{}.fast)]int
	var slow []time.Duration
	for _, w := range workers {
		out.add(w)
		slow = append(slow, w.slow...)
		for i, c := range w.fast {
			fast[i] += c
		}
	}
	out.quantiles(fast[:], slow)
	st := limits.Stats().Policies[0]
	out.Displaced, out.Keys = st.Displaced, uint64(st.Keys)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	out.Collected = uint64(m.NumGC)
	workers = nil
	time.Sleep(wait)
	out.Left = status("VmRSS")
	runtime.KeepAlive(limits)
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		return 1
	}
	return 0
}

// locked is how long goroutines have waited for locks so far.
func locked() time.Duration {
	sample := []metrics.Sample{{Name: "/sync/mutex/wait/total:seconds"}}
	metrics.Read(sample)
	return time.Duration(sample[0].Value.Float64() * float64(time.Second))
}

// status is a line of what the kernel says about this process, in bytes.
func status(name string) int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				return -1
			}
			return kib << 10
		}
	}
	return -1
}

// abuser asks far more often than it may.
type abuser struct {
	first    time.Time
	admitted int
}

// worker sends a part of the flood, and of all that comes meanwhile. It
// allocates nothing: what the collector does is not its doing.
type worker struct {
	h       http.Handler
	r       *http.Request
	addr    []byte
	header  http.Header
	code    int
	abusers []abuser
	fast    [10_000]int // requests by 100 ns
	slow    []time.Duration
	own     time.Duration
	used    time.Duration // by this thread, some requests ago

	flooders, newcomers, crowded count
}

type count struct{ asked, admitted int }

func newWorker(h http.Handler) *worker {
	w := &worker{h: h, header: make(http.Header), abusers: make([]abuser, abusers), addr: make([]byte, 0, 64), slow: make([]time.Duration, 0, 1<<16)}
	w.r = &http.Request{Method: http.MethodGet, Header: make(http.Header)}
	return w
}

func (w *worker) Header() http.Header         { return w.header }
func (w *worker) Write(p []byte) (int, error) { return len(p), nil }
func (w *worker) WriteHeader(status int)      { w.code = status }

// ordinary is what comes on any day: fifty thousand clients, who ask for more
// than they may now and then. It leaves nothing to be counted.
func (w *worker) ordinary(n int) {
	for i := range 500_000 {
		w.ask(0x2a00+n, i%500, i%50_000)
	}
	w.fast, w.slow, w.own = [len(w.fast)]int{}, w.slow[:0], 0
}

// flood sends every so-many-th address, at the speed of the flood.
func (w *worker) flood(began time.Time, first, step, n int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w.sample()
	for i := first; i < n; i += step {
		w.flooders.add(w.ask(0x2001, 0xdb8, i))
		if turn := i / step; turn%10 == 0 {
			w.abuse(turn/10%(abusers/step)*step + first)
		}
		if i%newcomerIn == 0 {
			w.newcomers.add(w.ask(0x2600+i/newcomerIn>>16, i/newcomerIn&0xffff, 1))
		}
		if i%crowdedIn == 0 {
			w.crowded.add(w.ask(0x2400, i/crowdedIn%20, i))
		}
		if i/step%256 == 0 {
			w.sample()
			if ahead := time.Duration(i)*time.Second/perSecond - time.Since(began); ahead > time.Millisecond {
				time.Sleep(ahead)
				w.sample()
			}
		}
	}
}

func (c *count) add(code int) {
	c.asked++
	if code == http.StatusNoContent {
		c.admitted++
	}
}

// abuse asks for an abuser: of the network of the flood, and of others.
func (w *worker) abuse(i int) {
	a := &w.abusers[i]
	if a.first.IsZero() {
		a.first = time.Now()
	}
	low := 0xdb8
	if i%4 >= 2 {
		low = i
	}
	if w.ask(0x2001, low, 1<<31+i) == http.StatusNoContent {
		a.admitted++
	}
}

// ask sends one request from a /64: two groups name the /32, id the rest.
func (w *worker) ask(high, low, id int) (code int) {
	b := w.addr[:0]
	b = append(b, '[')
	for _, group := range [...]int{high, low, id >> 16 & 0xffff, id & 0xffff} {
		b = append(strconv.AppendUint(b, uint64(group), 16), ':')
	}
	b = append(b, ":1]:4000"...)
	w.addr = b
	w.r.RemoteAddr = unsafe.String(unsafe.SliceData(b), len(b)) // nobody keeps it
	clear(w.header)
	began := time.Now()
	w.h.ServeHTTP(w, w.r)
	took := time.Since(began)
	if slot := int(took / 100); slot < len(w.fast) {
		w.fast[slot]++
	} else {
		w.slow = append(w.slow, took)
		w.own = max(w.own, w.sample())
	}
	return w.code
}

// sample returns the processor time that this thread has used since it was last
// asked. It bounds what a request has used, however long the machine has let it
// stand meanwhile.
func (w *worker) sample() time.Duration {
	const clockThreadCPUTime = 3
	var now syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockThreadCPUTime, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		return time.Hour
	}
	used := time.Duration(now.Nano())
	since := used - w.used
	w.used = used
	return since
}

func (r *result) add(w *worker) {
	now := time.Now()
	for _, a := range w.abusers {
		if a.first.IsZero() {
			continue
		}
		allowed := burst + now.Sub(a.first).Seconds()*limit/window.Seconds()
		r.Abusers += a.admitted
		r.Allowed += allowed
		if float64(a.admitted) > allowed+1 {
			r.LetIn++
		}
	}
	r.FloodAdmitted += w.flooders.admitted
	r.Newcomers, r.NewcomersIn = r.Newcomers+w.newcomers.asked, r.NewcomersIn+w.newcomers.admitted
	r.Crowded, r.CrowdedIn = r.Crowded+w.crowded.asked, r.CrowdedIn+w.crowded.admitted
	r.Own = max(r.Own, w.own)
}

func (r *result) quantiles(fast []int, slow []time.Duration) {
	slices.Sort(slow)
	total := len(slow)
	for _, c := range fast {
		total += c
	}
	at := func(rank int) time.Duration { // 0 is the worst
		if rank < len(slow) {
			return slow[len(slow)-1-rank]
		}
		rank -= len(slow)
		for i := len(fast) - 1; i >= 0; i-- {
			if rank -= fast[i]; rank < 0 {
				return time.Duration(i+1) * 100
			}
		}
		return 0
	}
	r.Worst, r.Second, r.P999 = at(0), at(1), at(total/1000)
}
