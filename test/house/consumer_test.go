package house

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	// The libraries the core stands on, and nothing else of others. They keep
	// their lines in this module's go.mod and go.sum, so that the baseline
	// below needs no download of its own.
	_ "github.com/dgraph-io/ristretto/v2"
	_ "github.com/hashicorp/golang-lru/v2"
	_ "github.com/sony/gobreaker/v2"
	_ "golang.org/x/time/rate"
)

// maxSumLines is the most that seawall may add to a go.sum: what the four named
// libraries brought when they were chosen.
const maxSumLines = 24

// namedPackages are what a program imports that uses the four by itself.
var namedPackages = []string{libRistretto, libLRU, libBreaker, libTime + "/rate"}

// TestConsumerSums: a program that imports every package of the core finds in
// its go.sum what the named libraries bring, and no line more.
func TestConsumerSums(t *testing.T) {
	packages := corePackages(t)
	if !slices.Contains(packages, corePath+"/shed") {
		t.Fatalf("the packages of the core are %q", packages)
	}
	require := "require " + corePath + " " + coreVersion(t) + "\nreplace " + corePath + " => " + root(t) + "\n"
	got := tidySums(t, require, packages)

	versions := strings.Fields(string(goCommand{dir: filepath.Join(root(t), "test"), work: "off"}.must(t,
		append([]string{"list", "-m", "-f", "{{.Path}}@{{.Version}}"}, namedLibs...)...)))
	require = ""
	for _, v := range versions {
		require += "require " + strings.Replace(v, "@", " ", 1) + "\n"
	}
	baseline := tidySums(t, require, namedPackages)
	if len(baseline) == 0 || len(baseline) > maxSumLines {
		t.Errorf("the named libraries bring %d lines, want 1 to %d:\n%s", len(baseline), maxSumLines, strings.Join(baseline, "\n"))
	}
	// One alone may bring an older version of what another brings, too.
	allowed := slices.Clone(baseline)
	for i, v := range versions {
		allowed = append(allowed, tidySums(t, "require "+strings.Replace(v, "@", " ", 1)+"\n", namedPackages[i:i+1])...)
	}
	report(t, sumComplaints(got, allowed))

	// Whoever runs this test has downloaded what is in its own go.sum and the core's.
	report(t, sumComplaints(baseline, sumLines(readFile(t, "test/go.sum")+readFile(t, "go.sum"))))
}

// sumComplaints lists what a go.sum holds that it should not.
func sumComplaints(got, allowed []string) []string {
	var found []string
	for _, line := range got {
		if !slices.Contains(allowed, line) {
			found = append(found, fmt.Sprintf("a consumer's go.sum holds %q, which the named libraries (at the versions of test/go.mod) do not bring", line))
		}
	}
	return found
}

func TestSumComplaints(t *testing.T) {
	allowed := []string{"a v1 h1:x", "a v1/go.mod h1:y"}
	wants(t, sumComplaints(allowed, allowed))
	wants(t, sumComplaints(nil, allowed))
	wants(t, sumComplaints([]string{"a v1 h1:x", "a v2 h1:x", "b v1/go.mod h1:y"}, allowed), "a v2 h1:x", "b v1/go.mod h1:y")
}

// corePackages are those a consumer can import.
func corePackages(t *testing.T) []string {
	t.Helper()
	out := goCommand{dir: root(t), work: "off"}.must(t, "list", "-f", `{{if ne .Name "main"}}{{.ImportPath}}{{end}}`, "./...")
	return slices.DeleteFunc(strings.Fields(string(out)), func(path string) bool {
		return strings.Contains(path, "/internal/")
	})
}

// coreVersion is the version that this module requires: the next to be released.
func coreVersion(t *testing.T) string {
	t.Helper()
	for _, r := range editJSON(t, "mod", "test/go.mod").Require {
		if r.Path == corePath {
			return r.Version
		}
	}
	t.Fatal("test/go.mod does not require " + corePath)
	return ""
}

// tidySums builds a module that imports the packages and returns the lines of
// its go.sum after "go mod tidy".
func tidySums(t *testing.T, require string, packages []string) []string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, dir, "go.mod", "module consumer.example\n\ngo "+goLine+"\n\n"+require)
	writeFile(t, dir, "go.sum", allSums(t)) // known sums need no network
	text := "package consumer\n\nimport (\n"
	for _, path := range packages {
		text += "\t_ \"" + path + "\"\n"
	}
	writeFile(t, dir, "consumer.go", text+")\n")
	goCommand{dir: dir, work: "off"}.must(t, "mod", "tidy")
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return sumLines(string(sums))
}

// allSums is every go.sum of the repository in one.
func allSums(t *testing.T) string {
	t.Helper()
	var lines []string
	for _, file := range repoFiles(t) {
		if name := filepath.Base(file); name == "go.sum" || name == "go.work.sum" {
			lines = append(lines, sumLines(readFile(t, file))...)
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n") + "\n"
}

func sumLines(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return line == "" })
}
