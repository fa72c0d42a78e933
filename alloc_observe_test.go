package seawall

import (
	"context"
	"log/slog"
	"testing"
	"time"
)

func TestAllocsLogObserver(t *testing.T) {
	skipAllocsUnderRace(t)
	o := Must(NewLogObserver(LogConfig{Logger: slog.New(slog.DiscardHandler), Every: time.Hour, Users: true}))
	ctx := context.Background()
	refused := Event{Component: "shed", Name: "api", Outcome: Rejected, Reason: Overloaded, RetryAfter: time.Second, User: 1}
	o.Observe(ctx, refused)
	checkAllocs(t, "refused", 0, func() {
		refused.RetryAfter++
		o.Observe(ctx, refused)
	})
	if o.due.Load() == 0 {
		t.Fatal("nothing waits to be told")
	}
	checkAllocs(t, "admitted while something waits", 0, func() { o.Observe(ctx, Event{Component: "shed"}) })
	checkAllocs(t, "a limit that nobody wants to know", 0, func() { o.ObserveLimit(ctx, LimitChange{Component: "shed", From: 1, To: 2}) })
}
