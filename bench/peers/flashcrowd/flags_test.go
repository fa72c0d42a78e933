package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
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
	for _, sc := range o.scenarios {
		s = append(s, sc.Name)
	}
	for _, k := range o.contenders {
		c = append(c, k.name)
	}
	return strings.Join(s, ","), strings.Join(c, ",")
}

const everybody = "bare,seawall,failsafe,failsafe-prio,failsafe-tuned,gozero,kratos,rate,conns,oracle"

func TestFlagsMean(t *testing.T) {
	for args, want := range map[string][2]string{
		"":                                  {"10x", everybody},
		"-scenario calm,3x":                 {"calm,3x", everybody},
		"-contenders oracle,bare -seeds 3":  {"10x", "bare,oracle"},
		"-check -scenario 3x -duration 10s": {"3x", everybody},
	} {
		scenarios, who := namesOf(parsed(t, strings.Fields(args)...))
		if scenarios != want[0] || who != want[1] {
			t.Errorf("%q: runs %s of %s, want %s of %s", args, scenarios, who, want[0], want[1])
		}
	}
	all, _ := namesOf(parsed(t, "-scenario", "all"))
	checked, _ := namesOf(parsed(t, "-check"))
	if all != checked || !strings.Contains(all, "calm,3x,10x,") || !strings.Contains(all, ",smaller,") {
		t.Errorf("all is %s, -check runs %s", all, checked)
	}
}

func TestEstimate(t *testing.T) {
	o := parsed(t, "-scenario", "calm,10x", "-seeds", "3", "-duration", "10s", "-contenders", "bare,seawall")
	if o.runs() != 12 || o.estimate() != 12*10700*time.Millisecond {
		t.Errorf("%d runs in %v, want 12 in 128.4 s", o.runs(), o.estimate())
	}
	if d := parsed(t).estimate(); d > 3*time.Minute {
		t.Errorf("takes %v by default", d)
	}
}

// A bad value is an error that names the flag and the value.
func TestBadFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-backend 24":                      `-backend "24": `,
		"-backend 0x80ms":                  `-backend "0x80ms": the number of slots "0" is not`,
		"-backend 24x80":                   `"80" is not a positive time such as 80ms`,
		"-backend 9999999x80ms":            "Slots must be between",
		"-seed -1":                         `invalid value "-1" for flag -seed`,
		"-seeds 0":                         "-seeds must be between 1 and 100 (got 0)",
		"-duration 999ms":                  "-duration must be between 1s and 1h0m0s (got 999ms)",
		"-scenario flood":                  `-scenario: there is no "flood" (there are calm, 3x, 10x,`,
		"-scenario calm,calm":              `-scenario: "calm" twice`,
		"-contenders sentinel":             `-contenders: there is no "sentinel" (there are bare, seawall, failsafe,`,
		"-contenders bare,bare":            `-contenders: "bare" twice`,
		"-check -contenders seawall":       "-contenders: with -check all of them run (got \"seawall\")",
		"-speed 3":                         "flag provided but not defined: -speed",
		"now":                              `unexpected argument "now"`,
		"-list -backend 24xnormal:80ms":    "is no service time",
		"-backend 8xbimodal:5ms:1.5:200ms": `the share "1.5" of the fast ones is not`,
	} {
		_, err := parseFlags(strings.Fields(args), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", args, err, want)
		}
		var out, errs bytes.Buffer
		if code := realMain(t.Context(), strings.Fields(args), &out, &errs); code != exitUsage {
			t.Errorf("%s: exit code %d, want %d", args, code, exitUsage)
		}
		if got := errs.String(); !strings.HasPrefix(got, "flashcrowd: ") || strings.Count(got, "\n") != 1 || out.Len() > 0 {
			t.Errorf("%s: said %q and %q", args, out.String(), got)
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
	for _, want := range append(strings.Split(everybody, ","), "100 slots of 200ms", "calm", "slower") {
		if !strings.Contains(out.String(), want) {
			t.Errorf("-list: no %q in\n%s", want, out.String())
		}
	}
}

// A file that cannot be written is an error, after the table.
func TestJSONFails(t *testing.T) {
	o := parsed(t, "-json", filepath.Join(t.TempDir(), "no", "x.json"))
	o.player = (&played{}).play
	var out bytes.Buffer
	if _, err := o.compare(t.Context(), &out); err == nil || !strings.Contains(err.Error(), "-json: ") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(out.String(), "first in") {
		t.Errorf("no table:\n%s", out.String())
	}
}

func TestEverySeedIsAnotherCrowd(t *testing.T) {
	o := parsed(t)
	first, err1 := o.sceneOf("10x", 1)
	second, err2 := o.sceneOf("10x", 2)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if first.Load.Seed == second.Load.Seed || first.Backend.Seed == second.Backend.Seed {
		t.Error("two seeds, one crowd or one backend")
	}
	if !slices.Equal(first.Load.Profile.Points, second.Load.Profile.Points) {
		t.Error("the profile depends on the seed")
	}
}
