package spike

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"
)

// serveEnv marks the child process that serves.
const serveEnv = "SEAWALL_SPIKE_SERVE"

// Site is what a server child serves.
type Site struct {
	// Handler of every request. Required.
	Handler http.Handler
	// Stats, when not nil, tells what the backend has done: Burner.Stats or
	// Backend.Stats.
	Stats func() BackendStats
	// Close, when not nil, is called after the last request.
	Close func()
}

// Sites are what a program can serve in a child process: functions that build a
// site from an argument, by name.
type Sites map[string]func(arg string) (Site, error)

// ServerStats is what a server child counts.
type ServerStats struct {
	// Backend is what Site.Stats says; zero without it.
	Backend BackendStats `json:"backend"`
	// CPU is the processor time, user and system, of the process: work, HTTP,
	// refusals and all. 0 where the system does not tell.
	CPU time.Duration `json:"cpu_ns"`
}

// Sub returns what has happened since earlier.
func (s ServerStats) Sub(earlier ServerStats) ServerStats {
	s.Backend = s.Backend.Sub(earlier.Backend)
	s.CPU -= earlier.CPU
	return s
}

// serveJob is the first line that the child reads; each further line asks for
// its counters, and the end of its input ends it.
type serveJob struct {
	Name string `json:"name"`
	Arg  string `json:"arg"`
}

// serveLine is a line that the child writes: first the URL, then an answer to
// each question, and Final when no request is left.
type serveLine struct {
	URL   string      `json:"url,omitempty"`
	Seq   uint64      `json:"seq,omitempty"`
	Final bool        `json:"final,omitempty"`
	Stats ServerStats `json:"stats"`
}

// serveGrace is how long the child lets requests end.
const serveGrace = 5 * time.Second

// ServeMain does the work of the child process that StartServer starts, and
// exits; in any other process it returns at once. Call it first in main, beside
// ChildMain.
func ServeMain(sites Sites) {
	if os.Getenv(serveEnv) == "" {
		return
	}
	signal.Ignore(os.Interrupt) // the parent decides, and its end ends the child
	if err := serveSite(os.Stdin, os.Stdout, sites); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serveSite builds the site that in asks for and serves it on a free port of the
// loopback until in ends.
func serveSite(in io.Reader, out io.Writer, sites Sites) error {
	questions := bufio.NewScanner(in)
	questions.Buffer(nil, maxRecordHeader)
	var job serveJob
	if !questions.Scan() {
		return errors.Join(errors.New("seawall/spike: no job"), questions.Err())
	}
	if err := json.Unmarshal(questions.Bytes(), &job); err != nil {
		return fmt.Errorf("seawall/spike: reading the job: %w", err)
	}
	build := sites[job.Name]
	if build == nil {
		return fmt.Errorf("seawall/spike: this program has no site %.64q", job.Name)
	}
	site, err := build(job.Arg)
	if err != nil {
		return fmt.Errorf("seawall/spike: site %s: %w", job.Name, err)
	}
	if site.Close != nil {
		defer site.Close()
	}
	if site.Handler == nil {
		return fmt.Errorf("seawall/spike: site %s has no handler", job.Name)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // until the process ends
	if err != nil {
		return fmt.Errorf("seawall/spike: %w", err)
	}
	srv := &http.Server{Handler: site.Handler, ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()

	lines := json.NewEncoder(out)
	err = lines.Encode(serveLine{URL: "http://" + l.Addr().String()})
	for seq := uint64(1); err == nil && questions.Scan(); seq++ {
		err = lines.Encode(serveLine{Seq: seq, Stats: site.stats()})
	}
	ctx, cancel := context.WithTimeout(context.Background(), serveGrace)
	defer cancel()
	if srv.Shutdown(ctx) != nil {
		_ = srv.Close() // what still runs is for nobody
	}
	if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return errors.Join(err, lines.Encode(serveLine{Final: true, Stats: site.stats()}))
}

func (s Site) stats() ServerStats {
	stats := ServerStats{CPU: cpuTime()}
	if s.Stats != nil {
		stats.Backend = s.Stats()
	}
	return stats
}
