package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// sleepMark excuses a sleep on the wall clock. What follows it is the reason.
const sleepMark = "//house:sleep "

// TestSleeps: a test that sleeps on the wall clock is slow where it is not
// flaky. In a testing/synctest bubble a sleep costs nothing and is exact.
func TestSleeps(t *testing.T) {
	for _, file := range withSuffix(repoFiles(t), "_test.go") {
		report(t, sleepComplaints(t, file, readFile(t, file)))
	}
}

// sleepComplaints cannot see whether a sleep runs within a bubble. It asks that
// the file knows of bubbles at all, or that it gives a reason.
func sleepComplaints(t *testing.T, file, text string) []string {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	if imported(f, "testing/synctest") != "" || reason(f) != "" {
		return nil
	}
	name := imported(f, "time")
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" && name != "" {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == name {
				found = append(found, fmt.Sprintf("%s: sleeps outside of a synctest bubble; if it must, say why: %sreason",
					fset.Position(sel.Pos()), sleepMark))
			}
		}
		return true
	})
	return found
}

// imported returns the name by which a file knows a package, or "".
func imported(f *ast.File, path string) string {
	for _, spec := range f.Imports {
		if got, _ := strconv.Unquote(spec.Path.Value); got != path {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path[strings.LastIndex(path, "/")+1:]
	}
	return ""
}

func reason(f *ast.File) string {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if why, ok := strings.CutPrefix(c.Text, sleepMark); ok {
				return strings.TrimSpace(why)
			}
		}
	}
	return ""
}

func TestSleepComplaints(t *testing.T) {
	const sleep = "func f() { time.Sleep(1) }\n"
	wants(t, sleepComplaints(t, "a_test.go", "package a\nimport \"time\"\n"+sleep), "a_test.go:3:12: sleeps")
	wants(t, sleepComplaints(t, "a_test.go", "package a\nimport clock \"time\"\nfunc f() { clock.Sleep(1) }"), "sleeps")
	wants(t, sleepComplaints(t, "a_test.go", "package a\nimport (\"time\"\n\"testing/synctest\")\n"+sleep))
	wants(t, sleepComplaints(t, "a_test.go", "package a\nimport \"time\"\n//house:sleep a real socket\n"+sleep))
	wants(t, sleepComplaints(t, "a_test.go", "package a\nimport \"time\"\n//house:sleep \n"+sleep), "sleeps")
	wants(t, sleepComplaints(t, "a_test.go", "package a\n// it does not call time.Sleep\nfunc f() { bus.Sleep(1) }"))
}

// TestNamesOfCountingTests: counting allocations means nothing under -race, so
// such tests skip there. CI runs them once more by name, and looks that none
// skips; a test with another name would be missed.
func TestNamesOfCountingTests(t *testing.T) {
	for _, file := range withSuffix(repoFiles(t), "_test.go") {
		report(t, countingComplaints(t, file, readFile(t, file)))
	}
}

func countingComplaints(t *testing.T, file, text string) []string {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, text, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(fn.Name.Name, "Test") || strings.Contains(fn.Name.Name, "Alloc") {
			continue
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "AllocsPerRun" {
				found = append(found, fmt.Sprintf("%s: %s counts allocations: put Alloc into its name", fset.Position(fn.Pos()), fn.Name.Name))
			}
			return true
		})
	}
	return found
}

func TestCountingComplaints(t *testing.T) {
	const body = "(t *testing.T) { testing.AllocsPerRun(10, nil) }\n"
	wants(t, countingComplaints(t, "a_test.go", "package a\nfunc TestPath"+body), "a_test.go:2:1: TestPath counts")
	wants(t, countingComplaints(t, "a_test.go", "package a\nfunc TestPathAllocs"+body+"func helper"+body))
}
