package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/plot/plotter"

	"github.com/seawall-go/seawall/spike"
)

// readSVG fails unless the picture is well-formed, and returns its texts and
// how many elements of each name it has.
func readSVG(t *testing.T, picture []byte) (texts string, elements map[string]int) {
	t.Helper()
	elements = map[string]int{}
	dec := xml.NewDecoder(strings.NewReader(string(picture)))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return texts, elements
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, picture)
		}
		switch e := token.(type) {
		case xml.StartElement:
			elements[e.Name.Local]++
		case xml.CharData:
			if text := strings.TrimSpace(string(e)); text != "" {
				texts += text + "\n"
			}
		}
	}
}

func TestPicture(t *testing.T) {
	sc := scene(t, "10x")
	sc.Title = "a step"
	picture, err := drawBlock(madeUpBlock(sc))
	if err != nil {
		t.Fatal(err)
	}
	texts, elements := readSVG(t, picture)
	for _, want := range []string{
		"A step: a backend for 300 requests a second is asked for 2,100",
		"bare", "seawall", "oracle", "nothing in front of the backend",
		"let at most 27 in", // the median of what it was looked at after the first second: 25 to 29
		"goodput ", "Critical (logins, payments)", "Normal (feed)", "Sheddable (recommendations)", "capacity", "asked for",
		"answers per second", "success, %", "seconds", "14",
	} {
		if !strings.Contains(texts, want) {
			t.Errorf("no %q among the texts\n%s", want, texts)
		}
	}
	if elements["svg"] != 1 || elements["title"] != 1 || elements["path"] < 30 {
		t.Errorf("elements: %v", elements)
	}
	text := string(picture)
	if strings.Contains(text, svgFamily) || !strings.Contains(text, "sans-serif") {
		t.Error("fonts that only some machines have")
	}
	if !strings.Contains(text, "#FDF1E3") {
		t.Error("the spike is not shaded")
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Error("a coordinate is no number")
	}
}

// Every scenario can be drawn, and a run in which nothing happened as well.
func TestPictureOfEverything(t *testing.T) {
	all, err := parsed(t).world(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, sc := range all {
		picture, err := drawBlock(madeUpBlock(sc))
		if err != nil {
			t.Errorf("%s: %v", sc.Name, err)
			continue
		}
		readSVG(t, picture)
	}
	sc := all[0]
	b := &block{Scenario: sc, Results: []result{{Contender: oracleName, Runs: []run{{}}}}}
	picture, err := drawBlock(b)
	if err != nil {
		t.Fatal(err)
	}
	if texts, _ := readSVG(t, picture); strings.Contains(texts, "bare") {
		t.Errorf("who was not there is in the picture:\n%s", texts)
	}
	sc.Title = `<a & "b">`
	b = madeUpBlock(sc)
	if picture, err = drawBlock(b); err != nil {
		t.Fatal(err)
	}
	if texts, _ := readSVG(t, picture); !strings.Contains(texts, `<a & "b">`) {
		t.Errorf("a title was not escaped:\n%s", texts)
	}
}

func TestAskedForIsSaidWhereItIsCutOff(t *testing.T) {
	sc := scene(t, "10x")
	r := madeUp(sc, 1)
	if got := askedFor(sc, r, 299); got != "asked for: 300 per second" {
		t.Errorf("cut off: %q", got)
	}
	if got := askedFor(sc, r, 301); got != "" {
		t.Errorf("not cut off: %q", got)
	}
}

func TestSeries(t *testing.T) {
	sc := scene(t, "10x")
	r := madeUp(sc, 1)
	lines := stacked(r)
	for i, want := range []float64{0, 100, 200, 300, 300} { // before the spike
		if got := lines[i][0].Y; got != want {
			t.Errorf("line %d begins at %v, want %v", i, got, want)
		}
	}
	if got := lines[4][16]; got.X != 4 || got.Y != 100 { // its first window
		t.Errorf("in the spike: %v, want 100 from 4 s on", got)
	}
	if line := successLine(r, 1); line[0].Y != 100 || line[16].Y != 0 || line[17].X != 4.5 {
		t.Errorf("success of Normal: %v", line[:18])
	}
	if line := successLine(r, 3); line != nil {
		t.Errorf("success of a priority nobody had: %v", line)
	}
	if line := offeredLine(r); line[0].Y != 300 || len(line) != 56 {
		t.Errorf("offered: %v", line)
	}
	area := between(plotter.XYs{{X: 0, Y: 1}, {X: 1, Y: 1}}, plotter.XYs{{X: 0, Y: 2}, {X: 1, Y: 3}})
	if want := (plotter.XYs{{X: 0, Y: 2}, {X: 1, Y: 3}, {X: 1, Y: 1}, {X: 0, Y: 1}}); len(area) != 4 || area[1] != want[1] || area[2] != want[2] {
		t.Errorf("area %v, want %v", area, want)
	}
}

// The dashed line is what the backend can do, not what it could if it were well.
func TestCapacityLine(t *testing.T) {
	sc := scene(t, "slower")
	for at, want := range map[time.Duration]float64{0: 300, 4 * time.Second: 75, 9 * time.Second: 75, 10 * time.Second: 300} {
		if got := sc.CapacityAt(at); math.Abs(got-want) > 0.01 {
			t.Errorf("at %v: %v, want %v", at, got, want)
		}
	}
	for _, c := range []struct {
		kind  spike.FaultKind
		value float64
		want  float64
	}{
		{spike.FaultCapacity, 18, 75}, {spike.FaultCapacity, 99, 0}, {spike.FaultErrors, 0.5, 300}, {spike.FaultHang, 0, 0}, {spike.FaultLatency, 1, 300},
	} {
		sc.Faults = []spike.Fault{{At: 0, For: time.Second, Kind: c.kind, Value: c.value}}
		if got := sc.CapacityAt(0); math.Abs(got-c.want) > 0.01 {
			t.Errorf("%v: %v, want %v", c.kind, got, c.want)
		}
	}
	if line := capacityLine(sc); line[0].X != 0 || math.Abs(line[len(line)-1].X-14) > 1e-9 {
		t.Errorf("from %v to %v", line[0].X, line[len(line)-1].X)
	}
}

func TestSecondTicks(t *testing.T) {
	for end, want := range map[float64]string{
		1: "0 0.2 0.4 0.6 0.8 1", 7: "0 1 2 3 4 5 6 7", 10: "0 2 4 6 8 10", 14: "0 2 4 6 8 10 12 14", 60: "0 10 20 30 40 50 60", 3600: "0 500 1000 1500 2000 2500 3000 3500",
	} {
		var labels []string
		for _, tick := range secondTicks(end) {
			if v, err := strconv.ParseFloat(tick.Label, 64); err != nil || math.Abs(v-tick.Value) > 1e-9 {
				t.Errorf("label %q at %v", tick.Label, tick.Value)
			}
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != want {
			t.Errorf("%v s: %s, want %s", end, got, want)
		}
	}
}
