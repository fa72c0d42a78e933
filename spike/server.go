package spike

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/seawall-go/seawall"
)

// ServerConfig says what a server child serves.
type ServerConfig struct {
	// Name of one of the Sites that the program gives to ServeMain. Required.
	Name string
	// Arg is handed to it.
	Arg string
	// MaxProcs is the GOMAXPROCS of the child, at most 1024: a CPU-bound server of
	// a known number of processors. Default 1; Off leaves it to the runtime.
	MaxProcs int
}

// Server is a server in a child process: this program started again. Its
// methods are safe for concurrent use.
type Server struct {
	url   string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	said  *tail

	lines chan serveLine // what the child writes; closed at its end
	quit  chan struct{}  // closed when nobody reads lines any more
	turn  chan struct{}  // holds a token while nobody talks with the child

	// With the turn.
	seq    uint64
	closed bool
	last   ServerStats
	err    error
}

// StartServer starts this program again as a server on the loopback, whose main
// function (or TestMain) must call ServeMain before anything else, and returns
// when it listens. The child is killed when ctx ends, and ends by itself when
// this process dies or closes its input. Close it when the load is over. Errors
// carry what the child said.
//
// It costs two goroutines until Close.
func StartServer(ctx context.Context, cfg ServerConfig) (*Server, error) {
	if os.Getenv(serveEnv) != "" || os.Getenv(childEnv) != "" { // or every child would start one more
		return nil, errors.New("seawall/spike: main must call ServeMain and ChildMain before StartServer")
	}
	if cfg.Name == "" {
		return nil, badf("Name", "the name of a site", `""`)
	}
	if cfg.MaxProcs == 0 {
		cfg.MaxProcs = 1
	}
	if cfg.MaxProcs != seawall.Off && (cfg.MaxProcs < 1 || cfg.MaxProcs > 1024) {
		return nil, badf("MaxProcs", "between 1 and 1024", cfg.MaxProcs)
	}
	job, err := json.Marshal(serveJob{Name: cfg.Name, Arg: cfg.Arg})
	if err != nil {
		return nil, fmt.Errorf("seawall/spike: server: %w", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("seawall/spike: server: %w", err)
	}
	cmd := exec.CommandContext(ctx, exe) //nolint:gosec // ourselves, again
	cmd.Env = append(os.Environ(), serveEnv+"=1")
	if cfg.MaxProcs != seawall.Off {
		cmd.Env = append(cmd.Env, "GOMAXPROCS="+strconv.Itoa(cfg.MaxProcs))
	}
	cmd.WaitDelay = 5 * time.Second
	s := &Server{
		cmd: cmd, said: &tail{},
		lines: make(chan serveLine), quit: make(chan struct{}), turn: make(chan struct{}, 1),
	}
	cmd.Stderr = s.said
	if s.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("seawall/spike: server: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("seawall/spike: server: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("seawall/spike: server: %w", err)
	}
	go s.read(stdout)
	_, writeErr := s.stdin.Write(append(job, '\n'))
	first, err := s.answer(ctx, func(l serveLine) bool { return l.URL != "" })
	if err != nil {
		return nil, s.end(ctx, errors.Join(err, writeErr))
	}
	s.url = first.URL
	s.turn <- struct{}{}
	return s, nil
}

// read hands out the child's lines until its end, and throws them away when
// nobody wants them.
func (s *Server) read(out io.Reader) {
	defer close(s.lines)
	in := bufio.NewScanner(out)
	for in.Scan() {
		var line serveLine
		if json.Unmarshal(in.Bytes(), &line) != nil {
			continue // the program's own chatter
		}
		select {
		case s.lines <- line:
		case <-s.quit:
		}
	}
	_, _ = io.Copy(io.Discard, out) // after a line that is too long
}

// answer waits for the line that is meant.
func (s *Server) answer(ctx context.Context, meant func(serveLine) bool) (serveLine, error) {
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				return line, io.ErrUnexpectedEOF
			}
			if meant(line) {
				return line, nil
			}
		case <-ctx.Done():
			return serveLine{}, context.Cause(ctx)
		}
	}
}

// URL returns where the child serves: http://127.0.0.1 and a port.
func (s *Server) URL() string { return s.url }

// Stats asks the child for its counters since its start. On a processor that is
// busy the answer may take some milliseconds.
func (s *Server) Stats(ctx context.Context) (ServerStats, error) {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return ServerStats{}, context.Cause(ctx)
	}
	defer func() { s.turn <- struct{}{} }()
	if s.closed {
		return ServerStats{}, errors.New("seawall/spike: server: closed")
	}
	s.seq++
	seq := s.seq
	if _, err := io.WriteString(s.stdin, "\n"); err != nil {
		return ServerStats{}, s.explain(err)
	}
	line, err := s.answer(ctx, func(l serveLine) bool { return l.Seq == seq })
	if err != nil {
		return ServerStats{}, s.explain(err)
	}
	return line.Stats, nil
}

// Close lets the child end the requests it has, for 5 s at most, and returns its
// last counters when it has ended. When ctx ends first the child is killed.
// Further calls return the same.
func (s *Server) Close(ctx context.Context) (ServerStats, error) {
	select {
	case <-s.turn:
	case <-ctx.Done():
		_ = s.cmd.Process.Kill() // and whoever has the turn hears of it
		<-s.turn
	}
	defer func() { s.turn <- struct{}{} }()
	if s.closed {
		return s.last, s.err
	}
	s.closed = true
	_ = s.stdin.Close()
	line, err := s.answer(ctx, func(l serveLine) bool { return l.Final })
	s.last, s.err = line.Stats, s.end(ctx, err)
	return s.last, s.err
}

// end waits for the end of the child, which has failed with why or has said its
// last, and returns why it ended if it should not have.
func (s *Server) end(ctx context.Context, why error) error {
	if why != nil {
		_ = s.cmd.Process.Kill() // it may never end by itself
	}
	_ = s.stdin.Close()
	close(s.quit)
	for over := false; !over; {
		select {
		case _, more := <-s.lines:
			over = !more
		case <-ctx.Done():
			_ = s.cmd.Process.Kill()
			for range s.lines { // until its end, which is near
			}
			over = true
		}
	}
	err := s.cmd.Wait()
	if why == nil && err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.explain(errors.Join(why, err))
}

// explain prefers what the child says to how it ended.
func (s *Server) explain(err error) error {
	if text := s.said.String(); text != "" {
		return fmt.Errorf("seawall/spike: server: %s", text)
	}
	return fmt.Errorf("seawall/spike: server: %w", err)
}
