package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// parsed are options that must be right.
func parsed(t *testing.T, args ...string) *options {
	t.Helper()
	o, err := parseFlags(args, io.Discard)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return o
}

func namesOf(o *options) (scenarios, who string) {
	var s, c []string
	for i := range o.trials {
		s = append(s, o.trials[i].name())
	}
	for _, k := range o.contenders {
		c = append(c, k.name)
	}
	return strings.Join(s, ","), strings.Join(c, ",")
}

func TestDefaults(t *testing.T) {
	o := parsed(t)
	scenarios, who := namesOf(o)
	if scenarios != "10x" || who != "bare,seawall,oracle" {
		t.Errorf("runs %s of %s", scenarios, who)
	}
	if o.seeds != 1 || o.seed != 1 || o.svg != "flashcrowd.svg" || o.json != "flashcrowd.json" {
		t.Errorf("got %+v", o)
	}
	if _, got := o.runs(o.seeds); got >= time.Minute {
		t.Errorf("takes %v by default, want less than a minute", got)
	}
	if got := o.backend.Capacity(); got < 299.9 || got > 300.1 {
		t.Errorf("capacity %v, want 300", got)
	}
}

const more = "abusers,abusers-long,smaller,return,slower-low,slower-spike,long,mild,lost,heavier,ramp"

func TestFlagsMean(t *testing.T) {
	for _, c := range []struct {
		args      string
		scenarios string
		who       string
	}{
		{"-peak 6", "6x", "bare,seawall,oracle"},
		{"-peak 2.5 -scenario all", "calm,2.5x,flash,retries,cold,slower,extreme," + more, "bare,seawall,oracle"},
		{"-peak 3", "3x", "bare,seawall,oracle"},
		{"-scenario cold,calm", "cold,calm", "bare,seawall,oracle"},
		{"-contenders oracle,bare", "10x", "bare,oracle"},
		{"-check", "calm,3x,10x,flash,retries,cold", "bare,seawall,oracle"},
		{"-check -short", "calm,10x", "bare,seawall,oracle"},
		{"-check -scenario 3x", "3x", "bare,seawall,oracle"},
	} {
		o := parsed(t, strings.Fields(c.args)...)
		if scenarios, who := namesOf(o); scenarios != c.scenarios || who != c.who {
			t.Errorf("%s: runs %s of %s, want %s of %s", c.args, scenarios, who, c.scenarios, c.who)
		}
	}
}

func TestCheckDefaults(t *testing.T) {
	full, short := parsed(t, "-check"), parsed(t, "-check", "-short")
	if full.seeds != 3 || full.duration != 14*time.Second || full.svg != "" || full.json == "" {
		t.Errorf("-check: %+v", full)
	}
	if short.seeds != 1 || short.duration != 10*time.Second {
		t.Errorf("-check -short: %+v", short)
	}
	if _, got := short.runs(short.seeds); got > 75*time.Second {
		t.Errorf("-check -short takes %v, want at most 75 s", got)
	}
	own := parsed(t, "-check", "-short", "-seeds", "2", "-duration", "7s", "-svg", "x.svg")
	if own.seeds != 2 || own.duration != 7*time.Second || own.svg != "x.svg" {
		t.Errorf("-check -short with values of its own: %+v", own)
	}
}

// A bad value is an error that names the flag and the value.
func TestBadFlags(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"-peak 1.5", "-peak must be above 1.5 and at most 100 (got 1.5)"},
		{"-peak 101", "-peak must be above 1.5 and at most 100 (got 101)"},
		{"-peak NaN", "-peak must be above 1.5 and at most 100 (got NaN)"},
		{"-peak x", `invalid value "x" for flag -peak`},
		{"-backend 24", `-backend "24": want 24x80ms`},
		{"-backend 999999x1us", `-backend "999999x1us": `},
		{"-mix 10/90", `-mix "10/90": want Critical/Normal/Sheddable`},
		{"-seed -1", `invalid value "-1" for flag -seed`},
		{"-seeds 0", "-seeds must be between 1 and 100 (got 0)"},
		{"-seeds 101", "-seeds must be between 1 and 100 (got 101)"},
		{"-duration 10", `invalid value "10" for flag -duration`},
		{"-duration 999ms", "-duration must be between 1s and 1h0m0s (got 999ms)"},
		{"-scenario flood", `-scenario: there is no "flood" (there are calm, 3x, 10x, flash, retries, cold, slower, extreme, abusers, `},
		{"-scenario calm,", `-scenario: there is no ""`},
		{"-scenario calm,calm", `-scenario: "calm" twice`},
		{"-contenders peer", `-contenders: there is no "peer" (there are bare, seawall and oracle)`},
		{"-contenders bare,bare", `-contenders: "bare" twice`},
		{"-check -contenders bare", "-contenders: with -check"},
		{"-check -peak 5", "-peak: with -check it is 10 (got 5)"},
		{"-check -scenario slower", `-scenario: there are no targets for "slower", only for calm, 3x`},
		{"-check -scenario all", `-scenario: there are no targets for "all"`},
		{"-check -scenario 3x,3x", `-scenario: "3x" twice`},
		{"-short", "-short goes with -check"},
		{"-all", "-all goes with -check, without -short"},
		{"-check -short -all", "-all goes with -check, without -short"},
		{"-check -all -backend 4x80ms", "-backend, -mix: with -all each target has its own"},
		{"-check -all -mix 1/1/1", "-backend, -mix: with -all each target has its own"},
		{"-check -all -scenario extreme", `-scenario: there are no targets for "extreme", only for calm, 3x`},
		{"-svg " + dir, "-svg \"" + dir + "\": is a directory"},
		{"-json " + dir + "/no/x.json", "there is no such directory"},
		{"-json " + file + "/x.json", "is not a directory"},
		{"-speed 3", "flag provided but not defined: -speed"},
		{"now", `unexpected argument "now"`},
	} {
		_, err := parseFlags(strings.Fields(c.args), io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.args, err, c.want)
		}
		var out, errs bytes.Buffer
		if code := realMain(t.Context(), strings.Fields(c.args), &out, &errs); code != exitUsage {
			t.Errorf("%s: exit code %d, want %d", c.args, code, exitUsage)
		}
		if got := errs.String(); !strings.HasPrefix(got, "flashcrowd: ") || strings.Count(got, "\n") != 1 || out.Len() > 0 {
			t.Errorf("%s: said %q and %q", c.args, out.String(), got)
		}
	}
}

func TestHelpAndList(t *testing.T) {
	if _, err := parseFlags([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
	var out, errs bytes.Buffer
	if code := realMain(t.Context(), []string{"-help"}, &out, &errs); code != exitOK || !strings.Contains(out.String(), "-contenders") || errs.Len() > 0 {
		t.Errorf("-help: exit code %d, %q, %q", code, out.String(), errs.String())
	}
	out.Reset()
	if code := realMain(t.Context(), []string{"-list", "-backend", "100x200ms"}, &out, &errs); code != exitOK || errs.Len() > 0 {
		t.Errorf("-list: exit code %d, %q", code, errs.String())
	}
	for _, want := range []string{"100 slots of 200ms: 500 requests/s", "calm", "slower", "bare", "seawall", "oracle"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("-list: no %q in\n%s", want, out.String())
		}
	}
}

// A check runs whom its targets ask about and nobody else.
func TestContendersFor(t *testing.T) {
	o := parsed(t, "-check")
	who := func(tr *trial) string {
		var names []string
		for _, c := range o.contendersFor(tr) {
			names = append(names, c.name)
		}
		return strings.Join(names, ",")
	}
	want := []string{"bare,seawall", "seawall,oracle", "bare,seawall,oracle", "seawall,oracle", "seawall,oracle", "seawall,oracle"}
	for i := range o.trials {
		if got := who(&o.trials[i]); got != want[i] {
			t.Errorf("%s: %s, want %s", o.trials[i].name(), got, want[i])
		}
	}
	if got, _ := o.runs(3); got != 3*13 {
		t.Errorf("%d runs, want 39", got)
	}
	o = parsed(t, "-scenario", "calm")
	if got := who(&o.trials[0]); got != "bare,seawall,oracle" {
		t.Errorf("without -check: %s", got)
	}
}

func TestEverySeedIsAnotherCrowd(t *testing.T) {
	o := parsed(t)
	first, err := o.sceneOf(&o.trials[0], 1)
	if err != nil {
		t.Fatal(err)
	}
	second, err := o.sceneOf(&o.trials[0], 2)
	if err != nil {
		t.Fatal(err)
	}
	if first.Load.Seed == second.Load.Seed || first.Backend.Seed == second.Backend.Seed {
		t.Error("two seeds, one crowd or one backend")
	}
	if !slices.Equal(first.Load.Profile.Points, second.Load.Profile.Points) {
		t.Error("the profile depends on the seed")
	}
}
