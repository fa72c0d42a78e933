package seawall_test

import (
	"context"
	"expvar"
	"log/slog"
	"os"
	"time"

	"github.com/seawall-go/seawall"
)

// A thousand refusals are two lines: one at once, and one later.
func ExampleNewLogObserver() {
	observer := seawall.Must(seawall.NewLogObserver(seawall.LogConfig{
		Logger: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
		Every:  10 * time.Second,
	}))
	defer observer.Flush()

	// shed.New(shed.Config{Observer: observer}) would call it so:
	for i := range 1000 {
		observer.Observe(context.Background(), seawall.Event{
			Component: "shed", Name: "api", Outcome: seawall.Rejected, Reason: seawall.Overloaded,
			Priority: seawall.Sheddable, RetryAfter: time.Duration(i%20) * time.Second,
		})
	}
	// Output:
	// level=WARN msg="seawall: rejected" component=shed name=api reason=overloaded dry_run=false count=1 priority.sheddable=1
	// level=WARN msg="seawall: rejected" component=shed name=api reason=overloaded dry_run=false count=999 priority.sheddable=999 retry_after_seconds=19 over_seconds=0
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// The state of a component on /debug/vars. Importing expvar serves that page on
// http.DefaultServeMux: keep it away from the public.
func ExampleVar() {
	expvar.Publish("gate", expvar.Func(seawall.Var(&gate{limit: "100"})))
	os.Stdout.WriteString(expvar.Get("gate").String())
	// Output: {"component":"example","name":"gate","at":"0001-01-01T00:00:00Z","state":"open","metrics":[{"name":"in_flight","kind":"gauge","value":3}]}
}
