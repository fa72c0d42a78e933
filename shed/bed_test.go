package shed_test

import (
	"bufio"
	"cmp"
	_ "embed"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// The test bed: every scenario of package spike against backends of many sizes
// and speeds, the Shedder beside the oracle, who is told the capacity. A dozen
// cells, those that tell most, run always; all of them with
//
//	SEAWALL_LONG=1 go test -run TestBed -timeout 2h -v ./shed
//
// The bounds are in testdata/bed.txt: what was measured, less a margin.
// SEAWALL_BED=write measures again and writes that file. Look at what became
// worse before it is committed.

// bedBackend is one of the backends.
type bedBackend struct {
	name   string
	cfg    spike.BackendConfig
	routes bool
	// lasts is the Duration of the scenarios: where thousands come a second,
	// less time tells as much.
	lasts time.Duration
}

func bedBackends() []bedBackend {
	usual := func(slots int) spike.BackendConfig { return spike.BackendConfig{Slots: slots} }
	bimodal := spike.BackendConfig{Slots: 8, Service: spike.Bimodal(5*time.Millisecond, 0.9, 200*time.Millisecond)}
	return []bedBackend{
		{name: "4x80ms", cfg: usual(4)},
		{name: "24x80ms", cfg: usual(24)},
		{name: "100x200ms", cfg: spike.BackendConfig{Slots: 100, Service: spike.LogNormal(200*time.Millisecond, 0.6)}},
		{name: "400x80ms", cfg: usual(400), lasts: 7 * time.Second},
		{name: "8xbimodal", cfg: bimodal},
		{name: "8xroutes", cfg: bimodal, routes: true},
		{name: "1x200us", cfg: spike.BackendConfig{Slots: 1, Service: spike.LogNormal(200*time.Microsecond, 0.6)}, lasts: 3500 * time.Millisecond},
	}
}

// telling are the cells that run always: one of each kind of trouble, on the
// backends where it is hardest. TestSimulated has more of 24x80ms.
var telling = []string{
	"4x80ms/3x", "4x80ms/slower", "24x80ms/smaller", "24x80ms/return", "24x80ms/lost", "24x80ms/slower-low", "24x80ms/heavier",
	"100x200ms/3x", "100x200ms/cold", "8xbimodal/3x", "8xroutes/3x", "1x200us/10x",
}

// scenarios are all of them for the backend.
func (b bedBackend) scenarios(t *testing.T, seed uint64) []spike.Scenario {
	t.Helper()
	cfg := spike.ScenarioConfig{Backend: b.cfg, Duration: b.lasts, Seed: seed}
	all, err := spike.Scenarios(cfg)
	if err != nil {
		t.Fatal(err)
	}
	more, err := spike.MoreScenarios(cfg)
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, more...)
	if b.routes {
		for i := range all {
			all[i].Load.Routes = b.cfg.Service.Shares()
		}
	}
	return all
}

// verdict is what a cell came to, relative to the oracle.
type verdict struct {
	value, goodput float64 // of the Shedder over the oracle's
	behind         float64 // Critical, by which the oracle's is better
	found          float64 // seconds; NaN: no slots were lost
}

func judge(ours, oracles []spike.Figures) (v verdict, f, o spike.Figures) {
	f, o = spike.Median(ours), spike.Median(oracles)
	return verdict{
		value: float64(spike.ValueRatio(f, o)), goodput: float64(f.Goodput / o.Goodput),
		behind: float64(o.Critical - f.Critical), found: float64(f.Found),
	}, f, o
}

// margin is what is taken off a measurement to make a bound of it: 2 points, and
// half a second.
func (v verdict) margin() verdict {
	floor := func(x float64) float64 { return math.Floor(100*x) / 100 }
	return verdict{floor(v.value - 0.02), floor(v.goodput - 0.02), max(0.01, -floor(-v.behind-0.02)), math.Ceil(10*v.found)/10 + 0.5}
}

// worst is the worse of two in each respect.
func (v verdict) worst(w verdict) verdict {
	return verdict{min(v.value, w.value), min(v.goodput, w.goodput), max(v.behind, w.behind), max(v.found, w.found)}
}

func (v verdict) String() string {
	return fmt.Sprintf("%7.3f %7.3f %7.3f %7.1f", v.value, v.goodput, v.behind, v.found)
}

// short lists in what v is worse than its bound.
func (v verdict) short(bound verdict) (all []string) {
	check := func(ok bool, what string, got, want float64) {
		if !ok {
			all = append(all, fmt.Sprintf("%s is %.3f, the bound %.3f", what, got, want))
		}
	}
	check(v.value >= bound.value, "the value over the oracle's", v.value, bound.value)
	check(v.goodput >= bound.goodput, "the goodput over the oracle's", v.goodput, bound.goodput)
	check(v.behind <= bound.behind, "the share of Critical behind the oracle's", v.behind, bound.behind)
	check(math.IsNaN(bound.found) || v.found <= bound.found, "the time in which the smaller size was found", v.found, bound.found)
	return all
}

const bedFile = "testdata/bed.txt"

//go:embed testdata/bed.txt
var bedText string

// bedBounds reads the bounds by cell.
func bedBounds(t *testing.T, text string) map[string]verdict {
	t.Helper()
	all := map[string]verdict{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if len(f) != 5 {
			t.Fatalf("%s: %q", bedFile, lines.Text())
		}
		var v [4]float64
		for i := range v {
			var err error
			if v[i], err = strconv.ParseFloat(f[i+1], 64); err != nil {
				t.Fatalf("%s: %q: %v", bedFile, lines.Text(), err)
			}
		}
		if _, ok := all[f[0]]; ok {
			t.Fatalf("%s: %s is there twice", bedFile, f[0])
		}
		all[f[0]] = verdict{v[0], v[1], v[2], v[3]}
	}
	return all
}

// bedGroups is how often a cell is measured when its bounds are written: each
// time the median of three crowds; the worst counts.
const bedGroups = 2

// TestBed holds the Shedder to its bounds.
func TestBed(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("simulations")
	}
	write, long := os.Getenv("SEAWALL_BED") == "write", os.Getenv("SEAWALL_LONG") != ""
	bounds := bedBounds(t, bedText)
	var (
		mu       sync.Mutex
		measured = map[string]verdict{}
	)
	cells := 0
	t.Run("cells", func(t *testing.T) {
		for _, b := range bedBackends() {
			for i, sc := range b.scenarios(t, 1) {
				name := b.name + "/" + sc.Name
				if !write && !long && !slices.Contains(telling, name) {
					continue
				}
				cells++
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					groups := 1
					if write {
						groups = bedGroups
					}
					for g := range uint64(groups) {
						v := playCell(t, b, i, 1+3*g)
						mu.Lock()
						if old, ok := measured[name]; ok {
							v = v.worst(old)
						}
						measured[name] = v
						mu.Unlock()
					}
					bound, ok := bounds[name]
					if write {
						return
					}
					if !ok {
						t.Fatalf("no bounds in %s", bedFile)
					}
					for _, s := range measured[name].short(bound) {
						t.Error(s)
					}
				})
			}
		}
	})
	if want := len(telling); cells < want {
		t.Errorf("%d cells of at least %d: one of them has lost its scenario", cells, want)
	}
	if testing.Verbose() || t.Failed() {
		t.Log("\n" + bedTable(measured, bounds))
	}
	if write && !t.Failed() {
		writeBed(t, measured)
	}
}

// playCell plays a scenario three times.
func playCell(t *testing.T, b bedBackend, scene int, seed uint64) verdict {
	var ours, oracles []spike.Figures
	for s := seed; s < seed+3; s++ {
		sc := b.scenarios(t, s)[scene]
		ours = append(ours, simulate(t, sc, "seawall", nil))
		oracles = append(oracles, simulate(t, sc, "oracle", nil))
	}
	v, f, o := judge(ours, oracles)
	t.Log("\n" + spike.Table([]spike.Figures{f, o}))
	return v
}

// byCell lists cells in the order of the backends, and then by name.
func byCell(all map[string]verdict) []string {
	var order []string
	for _, b := range bedBackends() {
		var some []string
		for name := range all {
			if strings.HasPrefix(name, b.name+"/") {
				some = append(some, name)
			}
		}
		slices.SortFunc(some, cmp.Compare[string])
		order = append(order, some...)
	}
	return order
}

func bedTable(measured, bounds map[string]verdict) string {
	var w strings.Builder
	fmt.Fprintf(&w, "%-24s %31s   %s\n%-24s %7s %7s %7s %7s\n", "", "measured", "bounds", "", "value", "goodput", "behind", "found")
	for _, name := range byCell(measured) {
		mark := ""
		if measured[name].value < 0.93 {
			mark = "  <"
		}
		fmt.Fprintf(&w, "%-24s %v   %v%s\n", name, measured[name], bounds[name], mark)
	}
	return w.String()
}

func writeBed(t *testing.T, measured map[string]verdict) {
	var w strings.Builder
	w.WriteString("# Bounds of TestBed; see bed_test.go. SEAWALL_BED=write writes this file.\n")
	w.WriteString("# value, goodput: over the oracle's; behind: Critical, behind the oracle's; found: seconds\n")
	for _, name := range byCell(measured) {
		fmt.Fprintf(&w, "%-24s %v\n", name, measured[name].margin())
	}
	if err := os.WriteFile(bedFile, []byte(w.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestBedBounds: there are bounds for each cell and for nothing else, and what
// is worse than a bound falls short of it.
func TestBedBounds(t *testing.T) {
	bounds := bedBounds(t, bedText)
	for _, b := range bedBackends() {
		for _, sc := range b.scenarios(t, 1) {
			name := b.name + "/" + sc.Name
			bound, ok := bounds[name]
			if !ok {
				t.Errorf("%s has no bounds", name)
			}
			delete(bounds, name)
			if short := bound.short(bound); len(short) > 0 {
				t.Errorf("%s: %q", name, short)
			}
			worse := verdict{bound.value - 0.01, bound.goodput - 0.01, bound.behind + 0.01, bound.found + 0.1}
			want := 4
			if math.IsNaN(bound.found) || math.IsInf(bound.found, 1) {
				want = 3
			}
			if short := worse.short(bound); len(short) != want {
				t.Errorf("%s: %v is worse than %v in %q", name, worse, bound, short)
			}
		}
	}
	if len(bounds) > 0 {
		t.Errorf("bounds of nothing: %v", bounds)
	}
}
