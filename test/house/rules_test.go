package house

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A room is a first folder of the core module ("" is the root package), with
// everything in it. The rules speak of rooms: cache/httpcache is of the cache.
type room struct {
	core []string // rooms it may import, besides itself
	libs []string // modules of others it may import
	via  []string // modules of others it may reach through internal
}

const (
	libTime      = "golang.org/x/time"
	libBreaker   = "github.com/sony/gobreaker/v2"
	libRistretto = "github.com/dgraph-io/ristretto/v2"
	libLRU       = "github.com/hashicorp/golang-lru/v2"
)

// namedLibs are the only modules of others that the core stands on.
var namedLibs = []string{libRistretto, libLRU, libBreaker, libTime}

// rooms says who may import whom. A folder that is not here may not be built
// before somebody has decided what it may import.
var rooms = map[string]room{
	"":          {},
	"internal":  {core: []string{""}, libs: []string{libBreaker, libLRU, libTime}},
	"ratelimit": {core: base, libs: []string{libTime, libLRU}, via: []string{libBreaker}}, // storeguard
	"shed":      {core: base},
	"cache":     {core: base, libs: []string{libRistretto, libLRU}, via: []string{libBreaker}}, // storeguard
	"breaker":   {core: base, libs: []string{libBreaker, libTime, libLRU}},
	"queue":     {core: base, libs: []string{libTime, libLRU}},
	"stack":     {core: append([]string{"ratelimit", "shed", "cache", "breaker", "queue"}, base...)},
	"debug":     {core: base},
	"spike":     {core: base},
	"seawalltest": {core: append([]string{
		"ratelimit", "shed", "cache", "breaker", "queue", "stack", "debug", "spike",
	}, base...)},
	"cmd": {core: []string{
		"", "internal", "ratelimit", "shed", "cache", "breaker", "queue", "stack", "debug", "spike", "seawalltest",
	}, libs: namedLibs},
}

var base = []string{"", "internal"}

// dead ends: nothing imports these, they import what they like.
var deadEnds = []string{"examples", "bench", "test", "cmd"}

// pkg is what the rules need of go list's answer.
type pkg struct {
	ImportPath   string
	Name         string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// roomOf returns the first folder of a package of the repository.
func roomOf(path string) (name string, ours bool) {
	if path == corePath {
		return "", true
	}
	rest, ours := strings.CutPrefix(path, corePath+"/")
	name, _, _ = strings.Cut(rest, "/")
	return name, ours
}

// standard reports whether the path can only be one of the standard library:
// everybody else's begins with a host.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// libOf returns which of the libs holds the package.
func libOf(path string, libs []string) (string, bool) {
	i := slices.IndexFunc(libs, func(lib string) bool {
		return path == lib || strings.HasPrefix(path, lib+"/")
	})
	if i < 0 {
		return "", false
	}
	return libs[i], true
}

// violations judges a graph of packages. It looks at each import by itself,
// then at all that a package of the core brings along: shed must not reach a
// library through internal that it may not import.
func violations(graph map[string]pkg) []string {
	var found []string
	for _, path := range slices.Sorted(maps.Keys(graph)) {
		name, ours := roomOf(path)
		if !ours {
			continue
		}
		p := graph[path]
		from := roomRule(name)
		if from == nil {
			found = append(found, fmt.Sprintf("%s: no rule says what the room %q may import: add it to rooms", path, name))
			continue
		}
		for _, to := range p.Imports {
			if why := from(to); why != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", path, to, why))
			}
		}
		for _, to := range append(slices.Clone(p.TestImports), p.XTestImports...) {
			if why := testRule(name, to); why != "" {
				found = append(found, fmt.Sprintf("a test of %s imports %s: %s", path, to, why))
			}
		}
		found = append(found, brought(graph, path, name)...)
	}
	return found
}

// roomRule returns the judge of a room's imports, nil for an unknown room. It
// answers with the reason of a refusal.
func roomRule(name string) func(to string) string {
	r, core := rooms[name]
	switch {
	case core:
		return func(to string) string { return coreRule(name, r, to) }
	case name == "adapters":
		return adapterRule
	case slices.Contains(deadEnds, name):
		return func(to string) string { return deadEndRule(name, to) }
	}
	return nil
}

func coreRule(name string, r room, to string) string {
	if standard(to) {
		return ""
	}
	target, ours := roomOf(to)
	if !ours {
		if _, ok := libOf(to, r.libs); ok {
			return ""
		}
		return fmt.Sprintf("not one of the libraries of this room (%s)", strings.Join(r.libs, ", "))
	}
	if why := deadEndRule(name, to); why != "" {
		return why
	}
	if target == name || slices.Contains(r.core, target) {
		return ""
	}
	return fmt.Sprintf("the room %q may import only itself and %q", name, r.core)
}

// adapterRule: an adapter serves packages of the core and nobody else.
func adapterRule(to string) string {
	target, ours := roomOf(to)
	switch {
	case !ours:
		return ""
	case target == "adapters":
		return "an adapter stands alone"
	case target == "stack":
		return "an adapter serves packages, not the stack"
	}
	return deadEndRule("adapters", to)
}

func deadEndRule(name, to string) string {
	target, ours := roomOf(to)
	if ours && target != name && slices.Contains(deadEnds, target) {
		return fmt.Sprintf("nothing imports %s", target)
	}
	return ""
}

// testRule is wider: a test in the core may use all of the core, but no module
// that its users would then find in their go.sum.
func testRule(name, to string) string {
	if _, core := rooms[name]; core && !standard(to) {
		if _, ours := roomOf(to); !ours {
			if _, ok := libOf(to, namedLibs); !ok {
				return "tests in the core use the core, the named libraries and the standard library"
			}
		}
	}
	return deadEndRule(name, to)
}

// brought walks from one package of the core through all it imports, and
// reports the libraries that its room may not bring along.
func brought(graph map[string]pkg, path, name string) []string {
	r, core := rooms[name]
	if !core {
		return nil
	}
	libs := slices.Concat(r.libs, r.via)
	for _, other := range r.core {
		if other != "internal" {
			libs = slices.Concat(libs, rooms[other].libs, rooms[other].via)
		}
	}
	var found []string
	seen := map[string]bool{path: true}
	for next := []string{path}; len(next) > 0; next = next[1:] {
		if _, ours := roomOf(next[0]); !ours {
			continue
		}
		for _, to := range graph[next[0]].Imports {
			if seen[to] {
				continue
			}
			seen[to] = true
			next = append(next, to)
			if _, ours := roomOf(to); ours || standard(to) || next[0] == path {
				continue
			}
			if _, ok := libOf(to, libs); !ok {
				found = append(found, fmt.Sprintf("%s brings %s along, through %s", path, to, next[0]))
			}
		}
	}
	return found
}
