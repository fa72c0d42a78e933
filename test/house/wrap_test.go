package house

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// fragmentParams are the names that lines of code may use without declaring
// them, as documentation does: everybody knows what mux is.
const fragmentParams = "ctx context.Context, mux *http.ServeMux, next, handler http.Handler, w http.ResponseWriter, r *http.Request"

var fragmentNames = []string{"ctx", "mux", "next", "handler", "w", "r"}

// wrapBlock makes a file of a block. One that begins with a package clause is a
// file already. Declarations get a package clause and imports; other lines also
// get a function around them, in which an unused variable is no mistake.
func wrapBlock(b block, packages map[string]string, src string) (text string, testFile bool, err error) {
	// A line comment names the place of the line after it.
	at := fmt.Sprintf("//line %s:%d\n", filepath.Join(src, filepath.FromSlash(b.file)), b.line)
	if f, err := parser.ParseFile(token.NewFileSet(), "", b.code, parser.PackageClauseOnly); err == nil {
		return at + b.code, strings.HasSuffix(f.Name.Name, "_test"), nil
	}

	const clause = "package p;"
	if f, err := parser.ParseFile(token.NewFileSet(), "", clause+b.code, 0); err == nil {
		text = "package p\n"
		if len(f.Imports) == 0 {
			text += imports(unresolved(f.Unresolved, packages), packages)
		}
		return text + at + b.code, false, nil
	}

	const opening = clause + "func _() {"
	f, err := parser.ParseFile(token.NewFileSet(), "", opening+b.code+"\n}", 0)
	if err != nil {
		return "", false, locate(b, err)
	}
	names := unresolved(f.Unresolved, packages)
	for _, name := range []string{"context", "http"} { // of fragmentParams
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	body, _ := f.Decls[0].(*ast.FuncDecl)
	text = "package p\n" + imports(names, packages) + "func _(" + fragmentParams + ") {\n{\n" + at + b.code + "\n"
	for _, name := range declared(body.Body) {
		text += "_ = &" + name + "\n" // the address: a lock may not be copied
	}
	return text + "}\n}\n", false, nil
}

// unresolved returns the names that can only be packages.
func unresolved(idents []*ast.Ident, packages map[string]string) []string {
	names := map[string]bool{}
	for _, id := range idents {
		if packages[id.Name] != "" && !slices.Contains(fragmentNames, id.Name) {
			names[id.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func imports(names []string, packages map[string]string) string {
	text := ""
	for _, name := range names {
		text += fmt.Sprintf("import %s %q\n", name, packages[name])
	}
	return text
}

// declared returns the variables of the outermost block.
func declared(body *ast.BlockStmt) []string {
	var names []string
	add := func(e ast.Expr) {
		if id, ok := e.(*ast.Ident); ok && id.Name != "_" && !slices.Contains(names, id.Name) {
			names = append(names, id.Name)
		}
	}
	for _, stmt := range body.List {
		switch stmt := stmt.(type) {
		case *ast.AssignStmt:
			if stmt.Tok == token.DEFINE {
				for _, e := range stmt.Lhs {
					add(e)
				}
			}
		case *ast.DeclStmt:
			gen, _ := stmt.Decl.(*ast.GenDecl)
			for _, spec := range gen.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					for _, id := range v.Names {
						add(id)
					}
				}
			}
		}
	}
	return names
}

// locate turns the place in the wrapped code into one in the Markdown file. The
// wrapping adds no line before the block.
func locate(b block, err error) error {
	var list scanner.ErrorList
	if !errors.As(err, &list) || len(list) == 0 {
		return fmt.Errorf("%v: %w", b, err)
	}
	return fmt.Errorf("%s:%d: %s", b.file, b.line+list[0].Pos.Line-1, list[0].Msg)
}
