package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// testName is a test or a fuzz target named in prose: `shed.TestRelease`.
var testName = regexp.MustCompile("`([\\w/]+)\\.((?:Test|Fuzz)\\w+)`")

// TestSecurityTable: each answer to a threat names the tests that hold it, and
// those exist.
func TestSecurityTable(t *testing.T) {
	report(t, securityComplaints(readFile(t, "SECURITY.md"), testFuncs(t)))
}

// testFuncs maps the folder of each package to its tests and fuzz targets.
func testFuncs(t *testing.T) map[string][]string {
	t.Helper()
	funcs := map[string][]string{}
	for _, file := range withSuffix(repoFiles(t), "_test.go") {
		f, err := parser.ParseFile(token.NewFileSet(), file, readFile(t, file), parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		folder := "seawall"
		if i := strings.LastIndex(file, "/"); i >= 0 {
			folder = file[:i]
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil {
				funcs[folder] = append(funcs[folder], fn.Name.Name)
			}
		}
	}
	return funcs
}

// securityComplaints reads the table between the headings "Threats and answers"
// and "Not defended".
func securityComplaints(text string, funcs map[string][]string) []string {
	var found []string
	_, table, _ := strings.Cut(text, "\n### Threats and answers\n")
	table, _, ok := strings.Cut(table, "\n### Not defended\n")
	rows := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| **") {
			continue
		}
		rows++
		names := testName.FindAllStringSubmatch(line, -1)
		if len(names) == 0 {
			threat, _, _ := strings.Cut(strings.TrimPrefix(line, "| **"), "**")
			found = append(found, "SECURITY.md: a threat without a test: "+threat)
		}
		for _, name := range names {
			if !slices.Contains(funcs[name[1]], name[2]) {
				found = append(found, fmt.Sprintf("SECURITY.md: there is no %s in %s", name[2], name[1]))
			}
		}
	}
	if !ok || rows == 0 {
		found = append(found, "SECURITY.md: no table of threats")
	}
	return found
}

func TestSecurityComplaints(t *testing.T) {
	const head, foot = "\n### Threats and answers\n\n| threat | answer | test |\n", "\n### Not defended\n| **x** | `a.TestGone` |"
	funcs := map[string][]string{"shed": {"TestLaw"}, "test/house": {"TestImports"}}
	wants(t, securityComplaints(head+"| **A.** b | c | `shed.TestLaw`, `test/house.TestImports` |\n"+foot, funcs))
	wants(t, securityComplaints(head+"| **A.** b | c | `shed.TestLow` |\n| **D** | e | soon |\n"+foot, funcs),
		"no TestLow in shed", "without a test: D")
	wants(t, securityComplaints("nothing", funcs), "no table")
}
