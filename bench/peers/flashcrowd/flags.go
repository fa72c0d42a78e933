package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// options are the flags, checked.
type options struct {
	scenarios  []spike.Scenario // of the first seed
	contenders []contender
	backend    spike.BackendConfig
	seed       uint64
	seeds      int
	duration   time.Duration
	check      bool
	list       bool
	json       string // "" is none

	player player
}

const (
	maxSeeds    = 100
	maxDuration = time.Hour
	// defaultScenario is ten times a calm day, at once.
	defaultScenario = "10x"
)

// parseFlags reads the command line. Errors name the flag and the value.
func parseFlags(args []string, usage io.Writer) (*options, error) {
	o := &options{player: playOnce}
	fs := flag.NewFlagSet("flashcrowd", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	scenario := fs.String("scenario", "", "names separated by commas, or all (default 10x; all with -check; -list shows them)")
	names := fs.String("contenders", "", "names separated by commas (default all; -list shows them)")
	backend := fs.String("backend", "24x80ms", "slots and service time: "+spike.BackendForms)
	fs.Uint64Var(&o.seed, "seed", 1, "of the first crowd and of the backend's service times")
	fs.IntVar(&o.seeds, "seeds", 1, "how many crowds to send; figures are medians")
	fs.DurationVar(&o.duration, "duration", 14*time.Second, "of most runs: 4/14 before the spike, 6/14 spike, 4/14 after")
	fs.BoolVar(&o.check, "check", false, "exit with 1 unless seawall is first, in every scenario, of those who do not know the capacity")
	fs.BoolVar(&o.list, "list", false, "list scenarios and contenders, and exit")
	fs.StringVar(&o.json, "json", "", "a file for the data")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(usage)
			fmt.Fprintln(usage, "Flashcrowd sends the same flash crowd at servers behind seawall and behind other libraries.")
			fs.PrintDefaults()
		}
		return nil, err
	}
	switch {
	case fs.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case o.seeds < 1 || o.seeds > maxSeeds:
		return nil, fmt.Errorf("-seeds must be between 1 and %d (got %d)", maxSeeds, o.seeds)
	case o.duration < time.Second || o.duration > maxDuration:
		return nil, fmt.Errorf("-duration must be between 1s and %v (got %v)", maxDuration, o.duration)
	case o.check && *names != "":
		return nil, fmt.Errorf("-contenders: with -check all of them run (got %q)", *names)
	}
	return o, o.resolve(*backend, *scenario, *names)
}

func (o *options) resolve(backend, scenario, names string) (err error) {
	if o.backend, err = spike.ParseBackend(backend); err != nil {
		return fmt.Errorf("-backend %q: %w", backend, err)
	}
	if o.contenders, err = pickContenders(names); err != nil {
		return err
	}
	all, err := o.world(o.seed)
	if err != nil {
		return fmt.Errorf("-backend %q: %w", backend, err)
	}
	switch {
	case scenario != "":
	case o.check:
		scenario = "all"
	default:
		scenario = defaultScenario
	}
	o.scenarios, err = pickScenarios(all, scenario)
	return err
}

// world lists the scenarios for one seed.
func (o *options) world(seed uint64) ([]spike.Scenario, error) {
	cfg := spike.ScenarioConfig{Backend: o.backend, Duration: o.duration, Seed: seed}
	all, err := spike.Scenarios(cfg)
	if err != nil {
		return nil, err
	}
	more, err := spike.MoreScenarios(cfg)
	return append(all, more...), err
}

// sceneOf is one scenario for one seed.
func (o *options) sceneOf(name string, seed uint64) (spike.Scenario, error) {
	all, err := o.world(seed)
	if err != nil {
		return spike.Scenario{}, err
	}
	picked, err := pickScenarios(all, name)
	if err != nil {
		return spike.Scenario{}, err
	}
	return picked[0], nil
}

func pickScenarios(all []spike.Scenario, asked string) ([]spike.Scenario, error) {
	if asked == "all" {
		return all, nil
	}
	var picked []spike.Scenario
	for name := range strings.SplitSeq(asked, ",") {
		named := func(sc spike.Scenario) bool { return sc.Name == name }
		i := slices.IndexFunc(all, named)
		if i < 0 {
			var known []string
			for _, sc := range all {
				known = append(known, sc.Name)
			}
			return nil, fmt.Errorf("-scenario: there is no %q (there are %s, and all)", name, strings.Join(known, ", "))
		}
		if slices.ContainsFunc(picked, named) {
			return nil, fmt.Errorf("-scenario: %q twice", name)
		}
		picked = append(picked, all[i])
	}
	return picked, nil
}

// runs is how many crowds will be sent, repetitions not counted.
func (o *options) runs() int { return len(o.scenarios) * len(o.contenders) * o.seeds }

// estimate is about how long all of it takes: after each run the last clients
// wait for their answers.
func (o *options) estimate() time.Duration {
	var sum time.Duration
	for _, sc := range o.scenarios {
		sum += sc.Load.Duration + 700*time.Millisecond
	}
	return sum * time.Duration(len(o.contenders)*o.seeds)
}

// printList is -list.
func printList(w io.Writer, o *options) error {
	all, err := o.world(o.seed)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "scenarios (%d slots of %v):\n", o.backend.Slots, o.backend.Service.Mean())
	for _, sc := range all {
		fmt.Fprintf(w, "  %-14s  %s\n", sc.Name, sc.Title)
	}
	fmt.Fprintln(w, "\ncontenders:")
	for _, c := range contenders {
		fmt.Fprintf(w, "  %-14s  %s\n", c.name, c.about)
	}
	return nil
}
