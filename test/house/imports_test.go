package house

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listGraph asks the go command for everything the workspace is made of.
func listGraph(t *testing.T, c goCommand, flags ...string) map[string]pkg {
	t.Helper()
	args := slices.Concat([]string{"list", "-e", "-deps", "-json=ImportPath,Name,Imports,TestImports,XTestImports"}, flags, []string{"work"})
	graph := map[string]pkg{}
	for _, p := range decodeAll[pkg](t, c.must(t, args...)) {
		graph[p.ImportPath] = p
	}
	return graph
}

// TestImports holds who may import whom, for each system we build on: a file
// for one system only may hide an import.
func TestImports(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		t.Run(system, func(t *testing.T) {
			graph := listGraph(t, inWork(t, "GOOS="+system, "CGO_ENABLED=0"))
			// A list that is empty breaks no rule either.
			for _, must := range []string{"", "/shed", "/spike", "/seawalltest", "/test/house"} {
				if _, ok := graph[corePath+must]; !ok {
					t.Errorf("go list does not show %s", corePath+must)
				}
			}
			report(t, violations(graph))
		})
	}
}

// TestImportsSeesPlanted plants a wrong import into the real tree, by an
// overlay, and expects to be told.
func TestImportsSeesPlanted(t *testing.T) {
	dir := root(t)
	temp := t.TempDir()
	plant := map[string]string{}
	for name, imports := range map[string]string{
		"planted.go":         corePath + "/shed",
		"shed/planted.go":    corePath + "/spike",
		"spike/planted.go":   libTime + "/rate",
		"planted/planted.go": "fmt",
	} {
		room, file := filepath.Split(filepath.FromSlash(name))
		packageName := strings.TrimSuffix(room, string(filepath.Separator))
		if packageName == "" {
			packageName = "seawall"
		}
		copied := strings.ReplaceAll(name, "/", "_")
		writeFile(t, temp, copied, "package "+packageName+"\n\nimport _ \""+imports+"\"\n")
		plant[filepath.Join(dir, room, file)] = filepath.Join(temp, copied)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": plant})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, temp, "overlay.json", string(overlay))

	before := violations(listGraph(t, inWork(t)))
	after := violations(listGraph(t, inWork(t), "-overlay="+filepath.Join(temp, "overlay.json")))
	planted := slices.DeleteFunc(after, func(c string) bool { return slices.Contains(before, c) })
	wants(t, planted,
		corePath+" imports "+corePath+"/shed",
		corePath+"/shed imports "+corePath+"/spike",
		corePath+"/spike imports "+libTime+"/rate",
		corePath+"/planted: no rule",
		" brings "+libTime+"/rate along", // who imports spike or shed, now
	)
}

func TestImportRules(t *testing.T) {
	for _, test := range []struct {
		from, to string
		want     string // "" for allowed
	}{
		{"", "net/http", ""},
		{"", "/internal/window", "may import only itself"},
		{"", libLRU, "not one of the libraries"},
		{"/shed", "", ""},
		{"/shed", "/internal/window", ""},
		{"/shed", "/queue", "may import only itself"},
		{"/shed", libTime + "/rate", "not one of the libraries"},
		{"/ratelimit", libTime + "/rate", ""},
		{"/ratelimit", libRistretto, "not one of the libraries"},
		{"/ratelimit", "github.com/sony/gobreaker", "not one of the libraries"}, // the old major version
		{"/cache", "/cache/httpcache", ""},
		{"/cache/httpcache", "/shed", "may import only itself"},
		{"/breaker", libBreaker, ""},
		{"/breaker", "golang.org/x/sync/singleflight", "not one of the libraries"},
		{"/stack", "/cache/httpcache", ""},
		{"/stack", "/debug", "may import only itself"},
		{"/debug", "/shed", "may import only itself"},
		{"/debug", "/internal/window", ""},
		{"/seawalltest/storetest", "/cache", ""},
		{"/seawalltest", "/cmd/seawall/top", "nothing imports cmd"},
		{"/seawalltest", "github.com/stretchr/testify", "not one of the libraries"},
		{"/internal/window", "", ""},
		{"/internal/window", "/shed", "may import only itself"},
		{"/cmd/seawall", "/spike", ""},
		{"/cmd/seawall", "/examples/hello", "nothing imports examples"},
		{"/adapters/redisstore", "/cache", ""},
		{"/adapters/redisstore", "github.com/redis/go-redis/v9", ""},
		{"/adapters/redisstore", "/adapters/natsqueue", "stands alone"},
		{"/adapters/redisstore", "/stack", "not the stack"},
		{"/adapters/redisstore", "/test/house", "nothing imports test"},
		{"/examples/feed", "/adapters/redisstore", ""},
		{"/examples/feed", "/examples/internal/page", ""},
		{"/examples/feed", "/bench/peers", "nothing imports bench"},
		{"/kitchen", "fmt", "no rule"},
	} {
		from, to := corePath+test.from, test.to
		if strings.HasPrefix(to, "/") || to == "" {
			to = corePath + to
		}
		graph := map[string]pkg{from: {ImportPath: from, Imports: []string{to}}}
		if test.want == "" {
			wants(t, violations(graph))
		} else {
			wants(t, violations(graph), test.want)
		}
	}
}

// TestImportRulesReach: what a room may not import it may not reach either.
func TestImportRulesReach(t *testing.T) {
	guard := corePath + "/internal/storeguard"
	reach := func(from string, imports ...string) []string {
		path := corePath + from
		return violations(map[string]pkg{
			path:                  {Imports: imports},
			guard:                 {Imports: []string{libBreaker, "sync"}},
			corePath + "/breaker": {Imports: []string{libBreaker}},
			libBreaker:            {Imports: []string{"example.org/theirs"}}, // their affair
		})
	}
	wants(t, reach("/cache", guard))
	wants(t, reach("/stack", guard, corePath+"/breaker"))
	wants(t, reach("/shed", guard), corePath+"/shed brings "+libBreaker+" along, through "+guard)
	wants(t, reach("/queue", guard), corePath+"/queue brings "+libBreaker)
}

func TestImportRulesOfTests(t *testing.T) {
	judge := func(from, to string) []string {
		path := corePath + from
		return violations(map[string]pkg{path: {ImportPath: path, XTestImports: []string{to}}})
	}
	wants(t, judge("", corePath+"/stack")) // bench_test.go measures all of it
	wants(t, judge("/shed", libTime+"/rate"))
	wants(t, judge("/shed", "go.uber.org/goleak"), "tests in the core use the core")
	wants(t, judge("/shed", corePath+"/examples/hello"), "nothing imports examples")
	wants(t, judge("/test/engines", "go.uber.org/goleak"))
}
