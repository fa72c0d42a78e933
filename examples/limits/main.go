// Limits is the backend of a mobile app with rate limits: of logins, users,
// partners, addresses and of all together. Copy it: policies.go is what you
// want, the rest is what every server needs.
//
//	go run ./examples/limits                                 # this process by itself
//	go run ./examples/limits -dry-run                        # refuses nobody, counts whom it would have
//	go run ./examples/limits -redis redis://localhost:6379/0 # one of a fleet
//
// The app is on localhost:8080, what the limits have done on
// localhost:8081/seawall. README.md tells what to try.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

type config struct {
	addr, admin string
	dryRun      bool
	trusted     []netip.Prefix // our load balancers
	campaign    time.Time      // when it begins, if there is one
	token       string         // of those who may override
	store       ratelimit.Remote
	nodes       int
	budget      time.Duration // how long a request waits for the store; default 5 ms
	secret      []byte
	ready       func(app, admin net.Addr) // called when both listen; may be nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		slog.Error("limits", "error", err)
		os.Exit(1)
	}
}

// run is main, with what it needs as arguments. Secrets come by the environment:
// everybody on a machine sees the arguments of a process.
func run(ctx context.Context, args []string) (err error) {
	cfg := config{token: os.Getenv("ADMIN_TOKEN"), secret: []byte(os.Getenv("LIMITS_SECRET"))}
	f := flag.NewFlagSet("limits", flag.ContinueOnError)
	f.StringVar(&cfg.addr, "addr", "localhost:8080", "where the app is served")
	f.StringVar(&cfg.admin, "admin", "localhost:8081", "where its limits can be seen and, with $ADMIN_TOKEN, changed; keep it private")
	f.BoolVar(&cfg.dryRun, "dry-run", false, "refuse nobody, only count")
	f.IntVar(&cfg.nodes, "nodes", 2, "with -redis: about how many processes share the limits")
	url := f.String("redis", "", "the Redis in which a fleet shares its limits, as in redis://localhost:6379/0; needs $LIMITS_SECRET, the same for all")
	f.Func("trusted", "networks of our load balancers, as in 10.0.0.0/8,fd00::/8; others' X-Forwarded-For is not believed", func(s string) error {
		for p := range strings.SplitSeq(s, ",") {
			prefix, err := netip.ParsePrefix(p)
			if err != nil {
				return err
			}
			cfg.trusted = append(cfg.trusted, prefix)
		}
		return nil
	})
	f.Func("campaign", "when a campaign begins, as in 2026-12-01T20:00:00+01:00", func(s string) (err error) {
		cfg.campaign, err = time.Parse(time.RFC3339, s)
		return err
	})
	if err := f.Parse(args); err != nil {
		return err
	}
	if *url != "" {
		if len(cfg.secret) == 0 {
			return errors.New("-redis needs LIMITS_SECRET: without it the processes do not know each other's users")
		}
		store, hangUp, err := dial(*url)
		if err != nil {
			return err
		}
		cfg.store = store
		// After the limits have given back what they have leased.
		defer func() { err = errors.Join(err, hangUp()) }()
	}
	return serve(ctx, cfg)
}

// serve runs until ctx ends and everything is shut down.
func serve(ctx context.Context, cfg config) error {
	// It tells the log when somebody is refused, or the store lost: a line each
	// ten seconds, not one for each request.
	observer, err := seawall.NewLogObserver(seawall.LogConfig{})
	if err != nil {
		return err
	}
	defer observer.Flush()
	api, accounts, err := cfg.limits(observer)
	if err != nil {
		return err
	}
	app := newServer(api.Middleware(routes(accounts)))
	control := newServer(admin(cfg.token, api, accounts))

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
	slog.Info("listening", "app", "http://"+appListener.Addr().String(), "state", "http://"+adminListener.Addr().String()+"/seawall",
		"dry_run", cfg.dryRun, "shared", cfg.store != nil)
	if cfg.ready != nil {
		cfg.ready(appListener.Addr(), adminListener.Addr())
	}

	select {
	case err = <-failed: // one of the two could not go on
	case <-ctx.Done():
	}
	const grace = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	// Accept nothing new, wait for what is under way, and then give the leased
	// tokens back, so that the rest of the fleet has them.
	err = errors.Join(err, app.Shutdown(ctx), control.Shutdown(ctx))
	err = errors.Join(err, api.Close(ctx), accounts.Close(ctx))
	if err != nil {
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
