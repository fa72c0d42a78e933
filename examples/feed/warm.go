package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// mostWarming is how long a warm-up may take. A cold process is better than one
// that never becomes ready because its database is slow.
const mostWarming = 30 * time.Second

// warmUp loads the hot posts before anybody asks for them, a few queries at a
// time: whoever deploys ten processes at once does it ten times.
func (s *service) warmUp(serving context.Context, hot int, progress io.Writer) {
	ctx, cancel := context.WithTimeout(serving, mostWarming)
	defer cancel()
	cfg := cache.WarmConfig{Total: hot, Batch: 50, Workers: 4}
	if onTerminal(progress) {
		cfg.Progress = func(p cache.WarmProgress) { io.WriteString(progress, bar(p)) }
	}
	report, err := s.caches.posts.Warm(ctx, s.store.hot(hot), cfg)
	if serving.Err() != nil {
		return // it is to end, and never was ready
	}
	s.warm.Store(true)
	if err != nil || report.Failed > 0 {
		slog.Warn("ready, but not warm", "loaded", report.Loaded, "failed", report.Failed, "error", err)
		return
	}
	slog.Info("ready", "loaded", report.Loaded, "present", report.Present, "took", report.Took.Round(time.Millisecond))
}

// bar is how far it is, over what was there before.
func bar(p cache.WarmProgress) string {
	const width = 30
	full := min(width*p.Done/max(p.Total, 1), width)
	line := fmt.Sprintf("\rwarm-up %s%s %3d %%  %d of %d posts, %d failed, %.1f s",
		strings.Repeat("━", full), strings.Repeat("─", width-full), 100*p.Done/max(p.Total, 1), p.Done, p.Total, p.Failed, p.Took.Seconds())
	if p.Done >= p.Total {
		line += "\n"
	}
	return line
}

// onTerminal says whether anybody would see a bar grow.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
