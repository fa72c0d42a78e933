package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall/spike"
)

func TestReport(t *testing.T) {
	b := madeUpBlock(scene(t, "10x"))
	b.Results[0].Median.Goodput, b.Results[0].Median.Critical = 0.069, 0.006
	b.Results[1].Median.Goodput, b.Results[1].Median.Critical = 0.9761, 0.9999
	b.Results[2].Median.Goodput, b.Results[2].Median.Critical = 1, 1
	o := parsed(t)
	text := report([]block{*b}, o)
	for _, want := range []string{
		"bare", "seawall", "oracle", "goodput", "journeys finished", "wasted work", "send lag", "CPU",
		"Without seawall: 6.9 % of the possible work, 0.6 % of Critical (logins, payments) answered in time.\n",
		"With seawall, not told the capacity: 97.6 % of the possible work, 99.99 % of Critical. A gate that knows it: 100 %, 100 %.\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "medians") {
		t.Errorf("medians of a single crowd:\n%s", text)
	}
	o.seeds = 3
	text = report([]block{*b, *madeUpBlock(scene(t, "calm"))}, o)
	for _, want := range []string{"(medians of 3 crowds)", "\n10x: Without seawall", "\ncalm: With seawall"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestVerdictOfSome(t *testing.T) {
	b := madeUpBlock(scene(t, "10x"))
	b.Results = b.Results[1:2]
	if got := verdict(b); len(got) != 1 || strings.Contains(got[0], "knows it") {
		t.Errorf("seawall alone: %q", got)
	}
	b.Results = nil
	if got := verdict(b); len(got) != 0 {
		t.Errorf("nobody: %q", got)
	}
}

// What is written can be read, and holds what a chart or a script would want.
func TestDocument(t *testing.T) {
	dir := t.TempDir()
	o := parsed(t, "-svg", filepath.Join(dir, "x.svg"), "-json", filepath.Join(dir, "x.json"))
	b := madeUpBlock(scene(t, "10x"))
	b.Results[0].Runs[0].Figures.Settle = spike.Never
	b.Results[0].Runs[0].Figures.Background = spike.None
	doc := newDocument(o, []block{*b}, time.Now())
	doc.Targets = o.judge(doc.Blocks)
	var out bytes.Buffer
	if err := o.write(&out, doc); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "\nwritten: "+o.svg+", "+o.json+"\n" {
		t.Errorf("said %q", got)
	}
	data, err := os.ReadFile(o.json)
	if err != nil {
		t.Fatal(err)
	}
	var back document
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&back); err != nil {
		t.Fatal(err)
	}
	r := back.Blocks[0].of(bareName).Runs[0]
	if back.Format != documentFormat || back.Capacity < 299 || len(r.Timeline) != 140 || len(r.Shares) != 28 || len(r.Looks) != 14 {
		t.Errorf("read back: %s, capacity %v, %d buckets, %d shares, %d looks", back.Format, back.Capacity, len(r.Timeline), len(r.Shares), len(r.Looks))
	}
	if !math.IsInf(float64(r.Figures.Settle), 1) || !math.IsNaN(float64(r.Figures.Background)) {
		t.Errorf("never and nothing are read back as %v and %v", r.Figures.Settle, r.Figures.Background)
	}
	if len(back.Targets) != len(doc.Targets) || back.Targets[0].Target == "" {
		t.Errorf("targets: %+v", back.Targets)
	}
	picture, err := os.ReadFile(o.svg)
	if err != nil {
		t.Fatal(err)
	}
	readSVG(t, picture)
}

func TestFilesOfSeveralScenarios(t *testing.T) {
	dir := t.TempDir()
	o := parsed(t, "-svg", filepath.Join(dir, "x.svg"), "-json", "")
	doc := newDocument(o, []block{*madeUpBlock(scene(t, "10x")), *madeUpBlock(scene(t, "calm"))}, time.Now())
	var out bytes.Buffer
	if err := o.write(&out, doc); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x-10x.svg", "x-calm.svg"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("%d files, want 2", len(files))
	}
	o.svg = ""
	out.Reset()
	if err := o.write(&out, doc); err != nil || out.Len() > 0 {
		t.Errorf("nothing to write: %v, %q", err, out.String())
	}
	o.json = filepath.Join(dir, "gone", "x.json")
	if err := o.write(&out, doc); err == nil {
		t.Error("a file in a folder that is not there: no error")
	}
}

func TestText(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0 %", 1: "100 %", 0.999: "99.9 %", 0.9996: "99.96 %", 0.99999: "99.99 %", 0.0001: "0.1 %", 0.069: "6.9 %", 0.5: "50.0 %",
	} {
		if got := percent(v); got != want {
			t.Errorf("percent(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", 7: "7", 999.6: "1,000", 2790: "2,790", 1234567: "1,234,567", -1234: "-1,234", -0.2: "0"} {
		if got := thousands(v); got != want {
			t.Errorf("thousands(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[spike.Number]string{1.5: "1.50x", spike.Never: "never"} {
		if got := number(v, factor); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
	if got := number(spike.None, factor); got != "-" {
		t.Errorf("nothing measured: %q", got)
	}
	if plural(1, "crowd") != "1 crowd" || plural(2, "crowd") != "2 crowds" {
		t.Error("plural")
	}
}
