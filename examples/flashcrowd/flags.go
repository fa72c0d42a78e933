package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// options are the flags, checked.
type options struct {
	trials     []trial
	contenders []contender
	peak       float64
	backend    spike.BackendConfig
	mix        spike.Mix
	seed       uint64
	seeds      int
	duration   time.Duration

	check bool
	short bool
	all   bool
	quiet bool
	list  bool
	svg   string // "" is none
	json  string // "" is none

	player player
	// measure finds out what one processor can do, in requests a second, and
	// processor is what it was, 0 before.
	measure   func(context.Context) (float64, error)
	processor float64
}

const (
	minPeak     = 1.5 // below it the spike would hardly exceed the capacity
	maxPeak     = 100
	maxSeeds    = 100
	maxDuration = time.Hour
	checkPeak   = 10
)

// parseFlags reads the command line. Errors name the flag and the value.
func parseFlags(args []string, usage io.Writer) (*options, error) {
	o := &options{player: playOnce, measure: measureProcessor}
	fs := flag.NewFlagSet("flashcrowd", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	scenario := fs.String("scenario", "", "names separated by commas, or all (default: the peak as a step; -list shows them)")
	fs.Float64Var(&o.peak, "peak", checkPeak, "height of the spike in multiples of the calm load, which is 0.7 of the capacity")
	backend := fs.String("backend", "24x80ms", "slots and service time: "+spike.BackendForms)
	mix := fs.String("mix", defaultMix, "shares of the priorities: "+mixForm)
	fs.Uint64Var(&o.seed, "seed", 1, "of the crowd and of the backend's service times")
	fs.IntVar(&o.seeds, "seeds", 1, "how many crowds to send; figures are medians (3 with -check, 1 with -short)")
	fs.DurationVar(&o.duration, "duration", 14*time.Second, "of each run: 4/14 before the spike, 6/14 spike, 4/14 after (10s with -short; each its own with -all)")
	fs.BoolVar(&o.check, "check", false, "measure what seawall promises, and exit with 1 if a promise was not kept")
	fs.BoolVar(&o.short, "short", false, "with -check: one crowd, two scenarios, wider tolerances, about a minute")
	fs.BoolVar(&o.all, "all", false, "with -check: every backend and every kind of crowd, 20 to 30 minutes")
	names := fs.String("contenders", "bare,seawall,oracle", "who is sent the crowd")
	fs.BoolVar(&o.quiet, "quiet", false, "no progress, only the results")
	fs.BoolVar(&o.list, "list", false, "list scenarios and contenders, and exit")
	fs.StringVar(&o.svg, "svg", "flashcrowd.svg", "the picture; empty for none (the default with -check)")
	fs.StringVar(&o.json, "json", "flashcrowd.json", "the data; empty for none")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(usage)
			fmt.Fprintln(usage, "Flashcrowd shows what a flash crowd does to a server, with and without seawall.")
			fs.PrintDefaults()
		}
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return o, o.resolve(given, texts{*backend, *mix, *scenario, *names})
}

// texts are flags that have to be parsed.
type texts struct{ backend, mix, scenario, contenders string }

func (o *options) resolve(given map[string]bool, text texts) error {
	switch {
	case o.short && !o.check:
		return errors.New("-short goes with -check")
	case o.all && (!o.check || o.short):
		return errors.New("-all goes with -check, without -short")
	}
	if o.check {
		if err := o.resolveCheck(given); err != nil {
			return err
		}
	}
	switch {
	case !(o.peak > minPeak && o.peak <= maxPeak):
		return fmt.Errorf("-peak must be above %v and at most %v (got %v)", minPeak, maxPeak, o.peak)
	case o.seeds < 1 || o.seeds > maxSeeds:
		return fmt.Errorf("-seeds must be between 1 and %d (got %d)", maxSeeds, o.seeds)
	case o.duration < time.Second || o.duration > maxDuration:
		return fmt.Errorf("-duration must be between 1s and %v (got %v)", maxDuration, o.duration)
	}
	var err error
	if o.backend, err = spike.ParseBackend(text.backend); err != nil {
		return fmt.Errorf("-backend %q: %w", text.backend, err)
	}
	if o.mix, err = parseMix(text.mix); err != nil {
		return fmt.Errorf("-mix %q: %w", text.mix, err)
	}
	if o.check {
		err = o.resolveTargets(text.scenario, given["duration"])
	} else {
		err = o.resolveScenarios(text)
	}
	if err != nil {
		return err
	}
	if o.contenders, err = pickContenders(text.contenders); err != nil {
		return err
	}
	if err := writable(o.svg); err != nil {
		return fmt.Errorf("-svg %q: %w", o.svg, err)
	}
	if err := writable(o.json); err != nil {
		return fmt.Errorf("-json %q: %w", o.json, err)
	}
	return nil
}

// resolveCheck sets what -check means where nothing else was said.
func (o *options) resolveCheck(given map[string]bool) error {
	switch {
	case given["contenders"]:
		return errors.New("-contenders: with -check each scenario has those that its targets need")
	case o.all && (given["backend"] || given["mix"]):
		return errors.New("-backend, -mix: with -all each target has its own")
	case given["peak"] && o.peak != checkPeak:
		return fmt.Errorf("-peak: with -check it is %d (got %v)", checkPeak, o.peak)
	}
	if !given["seeds"] && !o.short {
		o.seeds = 3
	}
	if !given["duration"] && (o.short || o.all) {
		o.duration = 10 * time.Second
	}
	if !given["svg"] {
		o.svg = ""
	}
	return nil
}

// resolveScenarios takes the scenarios that were asked for, or the peak as a
// step.
func (o *options) resolveScenarios(text texts) error {
	all, err := o.world(o.seed)
	if err != nil {
		return fmt.Errorf("-backend %q: %w", text.backend, err)
	}
	if text.scenario == "" {
		text.scenario = all[peakStep(all)].Name
	}
	picked, err := pickScenarios(all, text.scenario)
	for _, sc := range picked {
		o.trials = append(o.trials, trial{duration: o.duration, first: sc})
	}
	return err
}

// resolveTargets takes the scenarios of the targets.
func (o *options) resolveTargets(asked string, ownDuration bool) error {
	list := targets
	switch {
	case o.all:
		list = allTargets
	case o.short && asked == "":
		asked = strings.Join(shortScenarios, ",")
	}
	known := scenariosOf(list)
	for i, name := range strings.Split(asked, ",") {
		switch {
		case asked == "":
		case !slices.Contains(known, name):
			return fmt.Errorf("-scenario: there are no targets for %q, only for %s", name, strings.Join(known, ", "))
		case slices.Contains(strings.Split(asked, ",")[:i], name):
			return fmt.Errorf("-scenario: %q twice", name)
		}
	}
	var err error
	o.trials, err = o.trialsOf(list, asked, ownDuration)
	return err
}

// peakStep finds the step to the peak: it is the one before the flash.
func peakStep(all []spike.Scenario) int {
	return slices.IndexFunc(all, func(sc spike.Scenario) bool { return sc.Name == "flash" }) - 1
}

func pickScenarios(all []spike.Scenario, asked string) ([]spike.Scenario, error) {
	if asked == "all" {
		return all, nil
	}
	var picked []spike.Scenario
	for name := range strings.SplitSeq(asked, ",") {
		i := slices.IndexFunc(all, func(sc spike.Scenario) bool { return sc.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("-scenario: there is no %q (there are %s, and all)", name, scenarioNames(all))
		}
		if slices.ContainsFunc(picked, func(sc spike.Scenario) bool { return sc.Name == name }) {
			return nil, fmt.Errorf("-scenario: %q twice", name)
		}
		picked = append(picked, all[i])
	}
	return picked, nil
}

func scenarioNames(all []spike.Scenario) string {
	var names []string
	for _, sc := range all {
		names = append(names, sc.Name)
	}
	return strings.Join(names, ", ")
}

// writable finds a wrong path before a minute has gone into what should be
// written there.
func writable(path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return errors.New("is a directory")
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return errors.New("there is no such directory")
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", filepath.Dir(path))
	}
	return nil
}

// printList is -list.
func printList(w io.Writer, o *options) {
	all, err := o.world(o.seed)
	if err != nil { // resolve has made the same list
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintf(w, "scenarios (backend of %s):\n", describe(o.backend))
	for _, sc := range all {
		fmt.Fprintf(w, "  %-12s  %s\n", sc.Name, sc.Title)
	}
	fmt.Fprintln(w, "\ncontenders:")
	for _, c := range contenders {
		fmt.Fprintf(w, "  %-12s  %s\n", c.name, c.about)
	}
}
