//go:build unix

package shedtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seawall-go/seawall/seawalltest"
)

const (
	conns   = 16  // keep-alive connections, each with one request under way
	perConn = 250 // requests of a connection in a round
	warm    = 2   // rounds that do not count
)

// flooded is the child process that is flooded.
type flooded struct {
	cmd   *exec.Cmd
	stdin io.Closer
	addr  string
	conns []*wire
}

func startFlooded(tb testing.TB) *flooded {
	tb.Helper()
	exe, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	f := &flooded{cmd: exec.CommandContext(tb.Context(), exe)}
	f.cmd.Env = append(os.Environ(), floodEnv+"=1")
	f.cmd.Stderr = os.Stderr
	stdin, err := f.cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := f.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	f.stdin = stdin
	tb.Cleanup(f.stop)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		tb.Fatalf("the server does not start: %v", err)
	}
	f.addr = strings.TrimSpace(line)
	for i := range conns {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			tb.Fatal(err)
		}
		f.conns = append(f.conns, &wire{c: c, r: bufio.NewReader(c), user: i})
	}
	return f
}

func (f *flooded) stop() {
	for _, w := range f.conns {
		w.c.Close()
	}
	f.stdin.Close()
	_ = f.cmd.Wait()
}

// round sends a round of requests to a path and returns what each cost the
// server's process. Every answer must be a 503 that gives the reason.
func (f *flooded) round(path string) (perRequest float64, err error) {
	before, err := f.state()
	if err != nil {
		return 0, err
	}
	errs := make([]error, len(f.conns))
	var all sync.WaitGroup
	for i, w := range f.conns {
		all.Go(func() { errs[i] = w.ask(path, perConn) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	after, err := f.state()
	if err != nil {
		return 0, err
	}
	return float64(after.cpu-before.cpu) / (perConn * float64(len(f.conns))), nil
}

func (f *flooded) state() (state, error) {
	resp, err := http.Get("http://" + f.addr + statePath)
	if err != nil {
		return state{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return state{}, err
	}
	return parseState(string(text))
}

// wire is a connection. It parses no more than it must: the generator shares
// the machine with what it measures.
type wire struct {
	c    net.Conn
	r    *bufio.Reader
	user int
}

func (w *wire) ask(path string, n int) error {
	var request []byte
	if err := w.c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	for range n {
		w.user += conns
		request = fmt.Appendf(request[:0], "GET %s HTTP/1.1\r\nHost: shop.example\r\nCookie: theme=dark; session=u%d\r\n"+
			"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0)\r\nAccept: */*\r\n\r\n", path, w.user)
		if _, err := w.c.Write(request); err != nil {
			return err
		}
		if err := w.answer(); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// answer reads one and checks that it is the refusal that is measured.
func (w *wire) answer() error {
	status, reason, length := "", false, -1
	for {
		line, err := w.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch name, value, _ := bytes.Cut(line, []byte(": ")); {
		case status == "":
			status = string(line)
		case len(line) == 0:
			if status != "HTTP/1.1 503 Service Unavailable" || !reason || length < 0 {
				return fmt.Errorf("the answer is %q, with a reason: %t, and %d bytes", status, reason, length)
			}
			_, err := w.r.Discard(length)
			return err
		case string(name) == "Seawall-Reason":
			reason = string(value) == "overloaded"
		case string(name) == "Content-Length":
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
}

// cost is what a refusal costs, in nanoseconds of processor time: median over
// rounds of either, and of the difference between two that followed each other.
type cost struct{ alone, shed, beside float64 }

func (f *flooded) measure(rounds int) (cost, error) {
	for range warm {
		if _, err := f.round(shedPath); err != nil {
			return cost{}, err
		}
		if _, err := f.round(alonePath); err != nil {
			return cost{}, err
		}
	}
	var alone, shed, beside []float64
	for i := range rounds {
		order := []string{alonePath, shedPath}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		took := map[string]float64{}
		for _, path := range order {
			// The floor comes down between rounds: those at the door first.
			if path == shedPath {
				if _, err := f.round(shedPath); err != nil {
					return cost{}, err
				}
			}
			ns, err := f.round(path)
			if err != nil {
				return cost{}, err
			}
			took[path] = ns
		}
		alone, shed = append(alone, took[alonePath]), append(shed, took[shedPath])
		beside = append(beside, took[shedPath]-took[alonePath])
	}
	return cost{middle(alone), middle(shed), middle(beside)}, nil
}

func middle(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// TestFloodIsRefused: a real server under a flood refuses all of it, most at
// the door, and with SEAWALL_LONG a refusal costs at most 2 us of processor
// time beside the same answer written by hand. (Not otherwise: processor time
// does not lie, but caches and neighbours add to it.)
func TestFloodIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("real time")
	}
	seawalltest.CheckLeaks(t)
	f := startFlooded(t)
	rounds := 1
	if long() {
		rounds = 25
	}
	c, err := f.measure(rounds)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.round(shedPath); err != nil {
		t.Fatal(err)
	}
	st, err := f.state()
	if err != nil {
		t.Fatal(err)
	}
	if st.floored < st.refused*9/10 {
		t.Errorf("%d of %d were refused at the door, want nearly all", st.floored, st.refused)
	}
	t.Logf("a 503 costs %.0f ns of processor time, by shed %.0f, %.0f more; %d were refused, %d of them at the door; %d collections",
		c.alone, c.shed, c.beside, st.refused, st.floored, st.gcs)
	if long() && c.beside > 2000 {
		t.Errorf("a refusal costs %.0f ns beside net/http, want at most 2000", c.beside)
	}
}

// BenchmarkRefusal is TestFloodIsRefused for figures: one round of each a
// b.N, for instance -benchtime 40x.
func BenchmarkRefusal(b *testing.B) {
	f := startFlooded(b)
	c, err := f.measure(b.N)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(c.alone, "ns-cpu/op-alone")
	b.ReportMetric(c.shed, "ns-cpu/op-shed")
	b.ReportMetric(c.beside, "ns-cpu/op-beside")
}
