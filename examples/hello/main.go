// Hello is a small shop behind seawall. What protects it are the dozen lines of
// protect; the rest is what every server needs.
//
//	go run ./examples/hello            # dry run: refuses nobody, counts whom it would have
//	go run ./examples/hello -enforce   # for real
//
// The shop is on localhost:8080, what seawall thinks of it on
// localhost:8081/seawall. Begin with the dry run in a service of your own, look
// at it for a week, then enforce.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "where the shop listens")
	admin := flag.String("admin", "localhost:8081", "where its state can be seen; keep it private")
	enforce := flag.Bool("enforce", false, "refuse requests under overload; without it, only count them")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := serve(ctx, config{addr: *addr, admin: *admin, enforce: *enforce, database: newDatabase(24, 80*time.Millisecond)})
	stop()
	if err != nil {
		slog.Error("hello", "error", err)
		os.Exit(1)
	}
}

type config struct {
	addr, admin string
	enforce     bool
	database    *database
	ready       func(shop, admin net.Addr) // called when both listen; may be nil
}

// grace is how long requests under way may take at a shutdown.
const grace = 10 * time.Second

// protect is all there is to it, but for shedder.Middleware(mux) below. What
// has no line here, such as the feed, is Normal.
func protect(enforce bool) *shed.Shedder {
	return seawall.Must(shed.New(shed.Config{
		DryRun: !enforce,
		Classify: seawall.Must(seawall.NewClassifier(seawall.ClassifierConfig{
			Routes: map[string]seawall.Class{
				"POST /login":          {Priority: seawall.Critical},
				"POST /payments":       {Priority: seawall.Critical},
				"GET /recommendations": {Priority: seawall.Sheddable},
				"GET /healthz":         {Exempt: true},
			},
			User: seawall.Identity{Cookie: "session"},
		})),
	}))
}

// serve runs until ctx ends and everything is shut down.
func serve(ctx context.Context, cfg config) error {
	shedder := protect(cfg.enforce)
	shop := newServer(shedder.Middleware(routes(cfg.database)))
	admin := newServer(state(shedder))

	shopListener, err := listen(ctx, cfg.addr)
	if err != nil {
		return err
	}
	defer shopListener.Close()
	adminListener, err := listen(ctx, cfg.admin)
	if err != nil {
		return err
	}
	defer adminListener.Close()
	failed := make(chan error, 2)
	go func() { failed <- shop.Serve(shopListener) }()
	go func() { failed <- admin.Serve(adminListener) }()
	slog.Info("listening", "shop", shopListener.Addr().String(), "state", "http://"+adminListener.Addr().String()+"/seawall", "dry_run", !cfg.enforce)
	if cfg.ready != nil {
		cfg.ready(shopListener.Addr(), adminListener.Addr())
	}

	report := time.NewTicker(10 * time.Second)
	defer report.Stop()
	refused := uint64(0)
	for {
		select {
		case err = <-failed: // one of the two could not go on
		case <-ctx.Done():
		case <-report.C:
			refused = logRefusals(shedder, refused)
			continue
		}
		return errors.Join(err, shutdown(ctx, shop, admin, shedder))
	}
}

// shutdown accepts nothing new, then waits for what is under way.
func shutdown(ctx context.Context, shop, admin *http.Server, shedder *shed.Shedder) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := shop.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, shop.Close()) // they had their time
	}
	return errors.Join(err, shedder.Close(ctx), admin.Shutdown(ctx))
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

func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("hello: %w", err)
	}
	return l, nil
}

// state shows the snapshot as JSON.
func state(shedder *shed.Shedder) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /seawall", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		if err := enc.Encode(shedder.Snapshot()); err != nil {
			slog.Warn("writing the snapshot", "error", err)
		}
	})
	return mux
}

// logRefusals writes one line when there was something to tell: never one a
// request.
func logRefusals(shedder *shed.Shedder, before uint64) uint64 {
	s := shedder.Stats()
	refused := uint64(0)
	for _, p := range s.Priorities {
		refused += p.Refused
	}
	if refused > before {
		slog.Warn("shedding", "refused", refused-before, "limit", s.Limit, "in_flight", s.InFlight, "state", s.State, "dry_run", s.DryRun)
	}
	return refused
}
