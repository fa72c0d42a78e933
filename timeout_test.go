package seawall_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

func TestClassifierTimeoutField(t *testing.T) {
	for name, c := range map[string]struct {
		field, value string
		want         time.Duration
	}{
		"seconds":         {"Request-Timeout", "2", 2 * time.Second},
		"any case":        {"request-timeout", "2", 2 * time.Second},
		"decimal":         {"Request-Timeout", "0.25", 250 * time.Millisecond},
		"no digit before": {"Request-Timeout", ".5", 500 * time.Millisecond},
		"no digit after":  {"Request-Timeout", "5.", 5 * time.Second},
		"a nanosecond":    {"Request-Timeout", "0.000000001", 1},
		"unit":            {"Request-Timeout", "250ms", 250 * time.Millisecond},
		"units":           {"Request-Timeout", "1m30.5s", 90500 * time.Millisecond},
		"micro":           {"Request-Timeout", "7µs", 7 * time.Microsecond},
		"a day":           {"Request-Timeout", "24h", 24 * time.Hour},
		"a day in s":      {"Request-Timeout", "86400", 24 * time.Hour},
		"above a day":     {"Request-Timeout", "86401", 0},
		"day and a bit":   {"Request-Timeout", "24h1ns", 0},
		"huge":            {"Request-Timeout", "99999999999999999999", 0},
		"long":            {"Request-Timeout", strings.Repeat("0", 1<<16) + "1", 0},
		"zero":            {"Request-Timeout", "0", 0},
		"below 1 ns":      {"Request-Timeout", "0.0000000001", 0},
		"negative":        {"Request-Timeout", "-1", 0},
		"signed":          {"Request-Timeout", "+1", 0},
		"exponent":        {"Request-Timeout", "1e3", 0},
		"hex":             {"Request-Timeout", "0x10", 0},
		"NaN":             {"Request-Timeout", "NaN", 0},
		"Inf":             {"Request-Timeout", "Inf", 0},
		"point":           {"Request-Timeout", ".", 0},
		"points":          {"Request-Timeout", "1.2.3", 0},
		"unit alone":      {"Request-Timeout", "s", 0},
		"unknown unit":    {"Request-Timeout", "3d", 0},
		"unit, number":    {"Request-Timeout", "1s5", 0},
		"space":           {"Request-Timeout", "1 s", 0},
		"list":            {"Request-Timeout", "1, 2", 0},
		"empty":           {"Request-Timeout", "", 0},
		"digits of India": {"Request-Timeout", "٧", 0},
		"envoy":           {"X-Envoy-Expected-Rq-Timeout-Ms", "250", 250 * time.Millisecond},
		"envoy, decimal":  {"x-envoy-expected-rq-timeout-ms", "0.5", 500 * time.Microsecond},
		"envoy, a day":    {"X-Envoy-Expected-Rq-Timeout-Ms", "86400001", 0},
		"gRPC":            {"Grpc-Timeout", "100m", 100 * time.Millisecond},
		"gRPC, H":         {"grpc-timeout", "24H", 24 * time.Hour},
		"gRPC, M":         {"Grpc-Timeout", "2M", 2 * time.Minute},
		"gRPC, S":         {"Grpc-Timeout", "00000003S", 3 * time.Second},
		"gRPC, u":         {"Grpc-Timeout", "99999999u", 99999999 * time.Microsecond},
		"gRPC, n":         {"Grpc-Timeout", "1n", 1},
		"gRPC, 9 digits":  {"Grpc-Timeout", "000000003S", 0},
		"gRPC, forever":   {"Grpc-Timeout", "99999999H", 0},
		"gRPC, no unit":   {"Grpc-Timeout", "100", 0},
		"gRPC, no digit":  {"Grpc-Timeout", "S", 0},
		"gRPC, Go's unit": {"Grpc-Timeout", "100ms", 0},
		"gRPC, decimal":   {"Grpc-Timeout", "1.5S", 0},
		"gRPC, negative":  {"Grpc-Timeout", "-1S", 0},
		"gRPC, zero":      {"Grpc-Timeout", "0S", 0},
		"suffix Ms":       {"Ms", "5", 5 * time.Second}, // no "-Ms"
	} {
		conf := seawall.ClassifierConfig{Peers: prefixes("10.0.0.0/8"), TimeoutHeader: c.field}
		if got := classify(t, conf)(from(peer, c.field+": "+c.value)).Budget; got != c.want {
			t.Errorf("%s: %s: %.40s is %v, want %v", name, c.field, c.value, got, c.want)
		}
	}
}

// Whose word it is, and which of two budgets holds.
func TestClassifierTimeoutBelieved(t *testing.T) {
	two, floor := "Request-Timeout: 2", time.Second
	peers := seawall.ClassifierConfig{Peers: prefixes("10.0.0.0/8")}
	with := func(edit func(*seawall.ClassifierConfig)) seawall.ClassifierConfig {
		c := peers
		edit(&c)
		return c
	}
	oneMinute := map[string]seawall.Class{"/": {Budget: time.Minute}}
	for name, c := range map[string]struct {
		conf   seawall.ClassifierConfig
		remote string
		fields []string
		want   time.Duration
	}{
		"the default":      {peers, peer, []string{two}, 2 * time.Second},
		"outsider":         {peers, somebody, []string{two}, 0},
		"passed on":        {peers, peer, []string{two, "X-Forwarded-For: 192.0.2.1"}, 0},
		"two lines":        {peers, peer, []string{two, two}, 0},
		"no peers":         {seawall.ClassifierConfig{}, peer, []string{two}, 0},
		"PeerFunc":         {seawall.ClassifierConfig{PeerFunc: func(*http.Request) bool { return true }}, somebody, []string{two}, 2 * time.Second},
		"off":              {with(func(c *seawall.ClassifierConfig) { c.TimeoutHeader = "-" }), peer, []string{two, "-: 2"}, 0},
		"another field":    {with(func(c *seawall.ClassifierConfig) { c.TimeoutHeader = "x-wait-ms" }), peer, []string{two, "X-Wait-Ms: 7"}, 7 * time.Millisecond},
		"shorter":          {with(func(c *seawall.ClassifierConfig) { c.Default.Budget = time.Minute }), peer, []string{two}, 2 * time.Second},
		"longer":           {with(func(c *seawall.ClassifierConfig) { c.Default.Budget = floor }), peer, []string{two}, floor},
		"junk":             {with(func(c *seawall.ClassifierConfig) { c.Default.Budget = floor }), peer, []string{"Request-Timeout: -2"}, floor},
		"none":             {with(func(c *seawall.ClassifierConfig) { c.Default.Budget = floor }), peer, nil, floor},
		"with a priority":  {peers, peer, []string{two, "Seawall-Priority: critical"}, 2 * time.Second},
		"beside junk":      {peers, peer, []string{two, "Seawall-Priority: urgent"}, 2 * time.Second},
		"of a route":       {with(func(c *seawall.ClassifierConfig) { c.Routes = oneMinute }), peer, []string{two}, 2 * time.Second},
		"priority is kept": {with(func(c *seawall.ClassifierConfig) { c.TimeoutHeader = "-" }), peer, []string{"Seawall-Priority: critical"}, 0},
	} {
		got := classify(t, c.conf)(from(c.remote, c.fields...))
		if got.Budget != c.want {
			t.Errorf("%s: budget %v, want %v", name, got.Budget, c.want)
		}
		if want := strings.Contains(strings.Join(c.fields, ""), ": critical"); (got.Priority == seawall.Critical) != want {
			t.Errorf("%s: priority %v", name, got.Priority)
		}
	}
	for _, bad := range []string{"a b", "Request-Timeout:", "é", " "} {
		_, err := seawall.NewClassifier(seawall.ClassifierConfig{TimeoutHeader: bad})
		checkError(t, err, `seawall: ClassifierConfig.TimeoutHeader must be a header field name or "-" (got `)
	}
}
