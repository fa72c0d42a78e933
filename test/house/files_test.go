package house

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxLines is how long a file of Go code may grow. One idea a file.
const maxLines = 500

// machinePaths are folders that exist on one machine only. The patterns are
// put together so that this file does not hold what it looks for.
var machinePaths = []string{
	`/` + `root/[\w.]`,
	`/` + `home/\w[\w.-]*/[\w.]`,
	`/` + `Users/\w[\w.-]*/`,
	`\b[A-Z]:\\` + `Users\\`,
	`/` + `go-build\d`,
}

// registryHosts serve packages. Which one is used is the affair of whoever
// builds, not of a file in here.
var registryHosts = []string{
	`\bproxy\.` + `golang\.org\b`,
	`\bsum\.` + `golang\.org\b`,
	`\bgoproxy\.` + `\w+\b`,
	`\bregistry\.` + `npmjs\.org\b`,
	`\b(deb|security)\.` + `debian\.org\b`,
	`\bfiles\.` + `pythonhosted\.org\b`,
}

func TestNoMachineInFiles(t *testing.T) {
	patterns := append(append([]string{}, machinePaths...), registryHosts...)
	for _, own := range thisMachine(t) {
		patterns = append(patterns, regexp.QuoteMeta(own))
	}
	machine := regexp.MustCompile(strings.Join(patterns, "|"))
	for _, file := range repoFiles(t) {
		report(t, matches(file, readFile(t, file), machine))
	}
}

// thisMachine adds where the checkout, the caches and the proxy of this very
// machine are, unless that is a name so short that it says nothing.
func thisMachine(t *testing.T) []string {
	t.Helper()
	own := []string{root(t)}
	if dir, err := os.UserHomeDir(); err == nil {
		own = append(own, dir)
	}
	env := goCommand{dir: root(t), work: "off"}.must(t, "env", "GOMODCACHE", "GOCACHE", "GOPROXY")
	for word := range strings.FieldsFuncSeq(string(env), func(r rune) bool { return r == '\n' || r == ',' || r == '|' }) {
		own = append(own, strings.TrimSuffix(word, "/"))
	}
	var long []string
	for _, word := range own {
		if strings.Count(filepath.ToSlash(word), "/") >= 2 {
			long = append(long, word)
		}
	}
	return long
}

func matches(file, text string, pattern *regexp.Regexp) []string {
	var found []string
	line := 0
	for text := range strings.Lines(text) {
		line++
		if hit := pattern.FindString(text); hit != "" {
			found = append(found, fmt.Sprintf("%s:%d: holds %q, which belongs to one machine", file, line, hit))
		}
	}
	return found
}

func TestNoMachinePatterns(t *testing.T) {
	pattern := regexp.MustCompile(strings.Join(append(append([]string{}, machinePaths...), registryHosts...), "|"))
	for _, bad := range []string{
		"see /" + "home/ana/seawall", "cd /" + "root/go", `"/` + `Users/ana/x"`, `C:\` + `Users\ana`,
		"https://proxy." + "golang.org", "GOSUMDB=sum." + "golang.org",
	} {
		wants(t, matches("a.md", "fine\n"+bad+"\n", pattern), "a.md:2: holds")
	}
	for _, good := range []string{
		`mux.Handle("GET /home", h)`, `mux.Handle("/users/{id}", h)`, "/tmp/state.json", "https://pkg.go.dev/net/http",
		"the root/stack", "proxy.example.com",
	} {
		wants(t, matches("a.md", good, pattern))
	}
}

func TestFileLength(t *testing.T) {
	for _, file := range withSuffix(repoFiles(t), ".go") {
		if n := strings.Count(readFile(t, file), "\n"); n > maxLines {
			t.Errorf("%s: %d lines, want at most %d: one idea a file", file, n, maxLines)
		}
	}
}
