// Feed is the backend of a mobile app behind caches: what everybody looks at
// costs the database one query per TTL, for the whole fleet, and while the
// database is away the app shows what it last knew. Copy it: pages.go and caches.go
// are what you want, the rest is what every server needs.
//
//	go run ./examples/feed                                 # this process by itself
//	go run ./examples/feed -redis redis://localhost:6379/0 # one of a fleet
//
// The app is on localhost:8080, how its caches are on localhost:8081/stats.
// README.md tells what to try.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seawall-go/seawall"
)

type config struct {
	addr, admin string
	token       string // of those who may purge
	ttl         time.Duration
	fresh       time.Duration // of a page
	timeout     time.Duration // of a load
	hot         int
	fleet       *fleet
	store       *store
	progress    io.Writer
	listening   func(app, admin net.Addr) // called when both do; may be nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		slog.Error("feed", "error", err)
		os.Exit(1)
	}
}

// run is main, with its arguments. The token comes by the environment: everybody
// on a machine sees the arguments of a process.
func run(ctx context.Context, args []string) (err error) {
	cfg := config{token: os.Getenv("ADMIN_TOKEN"), progress: os.Stderr}
	f := flag.NewFlagSet("feed", flag.ContinueOnError)
	f.StringVar(&cfg.addr, "addr", "localhost:8080", "where the app is served")
	f.StringVar(&cfg.admin, "admin", "localhost:8081", "where its caches can be seen and, with $ADMIN_TOKEN, purged; keep it private")
	f.DurationVar(&cfg.ttl, "ttl", time.Minute, "how long a post and a feed are fresh")
	f.DurationVar(&cfg.fresh, "fresh", 10*time.Second, "how long a page made of them is fresh")
	f.DurationVar(&cfg.timeout, "timeout", 2*time.Second, "how long the database may take; it usually takes 80 ms")
	f.IntVar(&cfg.hot, "hot", 5000, "how many posts are loaded before it is ready")
	url := f.String("redis", "", "the Redis that a fleet shares, as in redis://localhost:6379/0")
	broken := f.Bool("broken", false, "begin with a database that fails")
	if err := f.Parse(args); err != nil {
		return err
	}
	cfg.store = newStore(100_000, 80*time.Millisecond, 20)
	cfg.store.broken.Store(*broken)
	if *url != "" {
		if cfg.fleet, err = dial(*url); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cfg.fleet.client.Close()) }() // after the caches
	}
	return serve(ctx, cfg)
}

// serve runs until ctx ends and everything is shut down.
func serve(ctx context.Context, cfg config) error {
	// It tells the log when answers are stale because something fails, or Redis is
	// lost: a line each ten seconds, not one for each request.
	observer, err := seawall.NewLogObserver(seawall.LogConfig{})
	if err != nil {
		return err
	}
	defer observer.Flush()
	caches, err := cfg.caches(cfg.store, observer)
	if err != nil {
		return err
	}
	s := &service{caches: caches, store: cfg.store, policies: cfg.policies()}
	return errors.Join(s.listen(ctx, cfg), closeWithin(ctx, caches.close))
}

func (s *service) listen(ctx context.Context, cfg config) error {
	app, control := newServer(s.caches.pages.Middleware(s.routes())), newServer(s.admin(cfg.token))
	var lc net.ListenConfig
	appListener, err := lc.Listen(ctx, "tcp", cfg.addr)
	if err != nil {
		return err
	}
	defer appListener.Close()
	adminListener, err := lc.Listen(ctx, "tcp", cfg.admin)
	if err != nil {
		return err
	}
	defer adminListener.Close()
	failed := make(chan error, 2)
	go func() { failed <- app.Serve(appListener) }()
	go func() { failed <- control.Serve(adminListener) }()
	slog.Info("listening", "app", "http://"+appListener.Addr().String(), "state", "http://"+adminListener.Addr().String()+"/stats",
		"ttl", cfg.ttl, "shared", cfg.fleet != nil)
	if cfg.listening != nil {
		cfg.listening(appListener.Addr(), adminListener.Addr())
	}

	warming, cold := context.WithCancel(ctx)
	defer cold()
	warmed := make(chan struct{})
	go func() {
		defer close(warmed)
		s.warmUp(warming, cfg.hot, cfg.progress)
	}()
	select {
	case err = <-failed: // one of the two could not go on
	case <-ctx.Done():
	}
	cold()
	<-warmed
	// Accept nothing new and wait for what is under way; the caches come after it.
	return errors.Join(err, closeWithin(ctx, app.Shutdown), closeWithin(ctx, control.Shutdown))
}

// closeWithin gives something its time to end.
func closeWithin(ctx context.Context, end func(context.Context) error) error {
	const grace = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := end(ctx); err != nil {
		return fmt.Errorf("shutting down: %w", err)
	}
	return nil
}

// newServer has the timeouts that http.ListenAndServe does not: without them a
// slow or silent client holds its connection for ever.
func newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
}
