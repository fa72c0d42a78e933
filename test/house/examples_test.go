package house

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// noExample lists what needs no example, with the reason. A key is a package
// ("shed") or "seawall" for the root, a dot and the name.
var noExample = map[string]string{
	"seawall.LimitObserver":         "as StateObserver, which has one",
	"seawall.Priority.Valid":        "one comparison",
	"seawall.Snapshotter":           "what our own packages implement; each shows its Snapshot",
	"seawalltest.Checks":            "a list of names, for Conformance.Except",
	"seawalltest.Listener.DialFrom": "Dial with one more address; Server.ClientFrom has one",
	"seawalltest.Recorder.Dropped":  "read as Recorder.Events, which has one",
	"seawalltest.Recorder.Limits":   "read as Recorder.Events, which has one",
	"seawalltest.Recorder.States":   "read as Recorder.Events, which has one",
	"seawalltest.Recorder.Reset":    "says what its name says",
}

// wellKnown are methods that others call, never the user: an example would show
// fmt, encoding/json, net/http, or New and the observed of our own.
var wellKnown = []string{
	"Error", "Is", "As", "Unwrap", "String", "GoString", "Format",
	"MarshalText", "UnmarshalText", "MarshalJSON", "UnmarshalJSON",
	"LogValue", "ServeHTTP", "RoundTrip", "Accept", "Addr",
	"Validate", "Observe", "ObserveState", "ObserveLimit",
}

// TestExamples: every package of the core has a doc.go, and an example for each
// way in. The packages an importer does not see (internal) and commands need none.
func TestExamples(t *testing.T) {
	used := map[string]bool{}
	for _, path := range corePackages(t) {
		folder := strings.TrimPrefix(strings.TrimPrefix(path, corePath), "/")
		fset, files := parsePackage(t, filepath.Join(root(t), filepath.FromSlash(folder)))
		if !slices.ContainsFunc(files, func(f *ast.File) bool {
			return filepath.Base(fset.Position(f.Package).Filename) == "doc.go" && f.Doc != nil
		}) {
			t.Errorf("%s: no doc.go with a comment on the package", path)
		}
		missing, err := withoutExample(fset, files, path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		name := folder
		if folder == "" {
			name = "seawall"
		}
		for _, entry := range missing {
			key := name + "." + entry
			if noExample[key] != "" {
				used[key] = true
				continue
			}
			t.Errorf("%s: no example calls or is named after it", key)
		}
	}
	for key := range noExample {
		if !used[key] {
			t.Errorf("noExample: %s has an example, or is gone", key)
		}
	}
}

func parsePackage(t *testing.T, dir string) (*token.FileSet, []*ast.File) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		f, err := parser.ParseFile(fset, filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return fset, files
}

// withoutExample returns the exported functions and methods of a package, and
// the types that a user implements, that no example shows: neither is one named
// after them, nor does one mention them. Plain data, constants and variables
// need none.
func withoutExample(fset *token.FileSet, files []*ast.File, path string) ([]string, error) {
	shown := shownNames(files)
	p, err := doc.NewFromFiles(fset, files, path)
	if err != nil {
		return nil, fmt.Errorf("reading the documentation: %w", err)
	}
	var missing []string
	entry := func(name string, examples []*doc.Example) {
		if last := name[strings.LastIndex(name, ".")+1:]; len(examples) == 0 && !shown[last] {
			missing = append(missing, name)
		}
	}
	for _, f := range p.Funcs {
		entry(f.Name, f.Examples)
	}
	for _, typ := range p.Types {
		for _, f := range typ.Funcs {
			entry(f.Name, f.Examples)
		}
		for _, m := range typ.Methods {
			if !slices.Contains(wellKnown, m.Name) {
				entry(typ.Name+"."+m.Name, m.Examples)
			}
		}
		if implementable(typ) {
			entry(typ.Name, typ.Examples)
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// implementable reports whether a type asks the user for code: an interface or
// a function, without anything of ours that makes one.
func implementable(typ *doc.Type) bool {
	if len(typ.Funcs) > 0 {
		return false
	}
	for _, spec := range typ.Decl.Specs {
		if s, ok := spec.(*ast.TypeSpec); ok && s.Name.Name == typ.Name {
			switch s.Type.(type) {
			case *ast.InterfaceType, *ast.FuncType:
				return true
			}
		}
	}
	return false
}

// shownNames are all names that the example functions of a package mention.
func shownNames(files []*ast.File) map[string]bool {
	shown := map[string]bool{}
	for _, f := range files {
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Example") {
				continue
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					shown[id.Name] = true
				}
				return true
			})
		}
	}
	return shown
}

func TestWithoutExample(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "a.go", `package a
type T struct{}
type Lonely interface{ Do() }
type Data struct{ N int }
type Made struct{}
func MakeMade() Made { return Made{} }
type Snapshot struct{}
type hidden struct{}
func New() *T { return nil }
func Loose() {}
func Called() {}
func (*T) Close() {}
func (*T) Middleware() {}
func (*T) Snapshot() Snapshot { return Snapshot{} }
func (T) String() string { return "" }
func (hidden) Exported() {}
const Exported = 1
var ErrSome error
`)
	writeFile(t, dir, "example_test.go", `package a_test
func ExampleNew() { t := a.New(); t.Snapshot() }
func ExampleT_Middleware() { a.Called() }
`)
	fset, files := parsePackage(t, dir)
	got, err := withoutExample(fset, files, "example.org/a")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"Lonely", "Loose", "MakeMade", "T.Close"}; !slices.Equal(got, want) {
		t.Errorf("without an example: %q, want %q", got, want)
	}
}
