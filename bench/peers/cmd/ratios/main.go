// Command ratios measures seawall and its peers interleaved, prints one table,
// and exits with 1 if a goal is missed.
//
// On a machine that does other things too, two benchmarks that run one after
// the other compare the minutes they ran in. Here every contender has a short
// turn in each round, the ratios are taken within a round, and the median of
// the rounds counts.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall/bench/peers"
)

func main() {
	testing.Init() // for testing.Benchmark outside of go test
	code, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
	}
	os.Exit(code)
}

type options struct {
	rounds int
	turn   time.Duration
	quiet  int
	suites []peers.Suite
}

// run returns the exit code: 1 for a missed goal, 2 for a measurement that
// could not be made.
func run(args []string, out io.Writer) (int, error) {
	o, err := parse(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return 0, nil
	}
	if err != nil {
		return 2, err
	}
	tables, clock, err := measure(o)
	if err != nil {
		return 2, err
	}
	missed := report(out, tables, clock)
	for _, m := range missed {
		fmt.Fprintln(out, "MISSED", m)
	}
	if len(missed) > 0 {
		return 1, nil
	}
	return 0, nil
}

func parse(args []string, out io.Writer) (options, error) {
	f := flag.NewFlagSet("ratios", flag.ContinueOnError)
	f.SetOutput(out)
	rounds := f.Int("rounds", 21, "how many turns each contender has")
	turn := f.Duration("turn", 20*time.Millisecond, "how long a turn is, about")
	quiet := f.Int("quiet", 2, "bursts a round in the quiet case, 60 ms apart; 0 leaves it out")
	only := f.String("only", "", "shed, ratelimit, cache or httpcache; all if empty")
	cases := f.String("cases", "", "comma-separated cases; all if empty")
	if err := f.Parse(args); err != nil {
		return options{}, err
	}
	o := options{rounds: *rounds, turn: *turn, quiet: *quiet}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("no argument is expected (got %q)", f.Args())
	case o.rounds < 1 || o.rounds > 10_000:
		return o, fmt.Errorf("-rounds must be between 1 and 10000 (got %d)", o.rounds)
	case o.turn < 10*time.Microsecond || o.turn > time.Minute:
		return o, fmt.Errorf("-turn must be between 10us and 1m (got %v)", o.turn)
	case o.quiet < 0 || o.quiet > 100:
		return o, fmt.Errorf("-quiet must be between 0 and 100 (got %d)", o.quiet)
	}
	var err error
	if o.suites, err = suitesNamed(*only); err == nil && *cases != "" {
		o.suites, err = withCases(o.suites, strings.Split(*cases, ","))
	}
	return o, err
}

// suitesNamed is the suite of that name, or all.
func suitesNamed(name string) (suites []peers.Suite, err error) {
	var names []string
	for _, s := range peers.Suites() {
		if name == "" || s.Name == name {
			suites = append(suites, s)
		}
		names = append(names, s.Name)
	}
	if len(suites) == 0 {
		return nil, fmt.Errorf("-only must be one of %s (got %q)", strings.Join(names, ", "), name)
	}
	return suites, nil
}

// withCases leaves all other cases out, and suites and rounds without any.
func withCases(all []peers.Suite, names []string) (suites []peers.Suite, err error) {
	var known []string
	for _, s := range all {
		var rounds [][]peers.Case
		for _, round := range s.Rounds {
			var cases []peers.Case
			for _, c := range round {
				known = append(known, string(c))
				if slices.Contains(names, string(c)) {
					cases = append(cases, c)
				}
			}
			if cases != nil {
				rounds = append(rounds, cases)
			}
		}
		if s.Rounds = rounds; rounds != nil {
			suites = append(suites, s)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no case %q (there are %s)", name, strings.Join(known, ", "))
		}
	}
	return suites, nil
}
