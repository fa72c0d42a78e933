package house

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSnippets compiles every ```go block of every Markdown file. See
// CONTRIBUTING.md for what a block may be.
func TestSnippets(t *testing.T) {
	files := map[string]string{}
	for _, file := range withSuffix(repoFiles(t), ".md") {
		files[file] = readFile(t, file)
	}
	if _, ok := files["README.md"]; !ok {
		t.Error("there is no README.md")
	}
	report(t, snippetComplaints(t, files))
}

func TestSnippetsSeesMistakes(t *testing.T) {
	fence := "```"
	wants(t, snippetComplaints(t, map[string]string{
		"good.md": "Whole programs, functions and lines:\n" +
			fence + "go\npackage main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(1) }\n" + fence + "\n" +
			"- in a list\n  " + fence + "go\n  limited := seawall.Chain()(mux)\n  http.Handle(\"/\", limited)\n  " + fence + "\n" +
			fence + "go\nfunc hello(w http.ResponseWriter, r *http.Request) { io.WriteString(w, \"hi\") }\n" + fence + "\n" +
			fence + "go\nfunc TestX(t *testing.T) { t.Log(rand.N(3)) }\n" + fence + "\n" +
			fence + "go\nmux := http.NewServeMux()\nvar mu sync.Mutex\n" +
			"if err := http.ListenAndServe(\":8080\", mux); err != nil {\n\tlog.Fatal(err)\n}\nreturn\n" + fence + "\n" +
			fence + "sh\ngo get nothing\n" + fence + "\n",
		"docs/bad.md": "\n" +
			fence + "go\nn := 1\nvar s string = n\n" + fence + "\n" +
			fence + "go\nfmt.Println(seawall.NoSuchThing)\n" + fence + "\n" +
			fence + "go\nx := ...\n" + fence + "\n" +
			fence + "go\nnobody.Knows()\n" + fence + "\n" +
			fence + "go\npackage main\n\nimport \"fmt\"\n\nfunc main() {}\n" + fence + "\n" +
			fence + "go\nn := 1\n",
	}),
		"docs/bad.md:4:",
		"docs/bad.md:7:",
		"docs/bad.md:10:",
		"docs/bad.md:13:",
		"docs/bad.md:18:",
		"docs/bad.md:23: the block is not closed",
	)
}

// snippetComplaints puts each block into a package of its own, in one module
// beside the checkout, and has go vet look at all of them.
func snippetComplaints(t *testing.T, files map[string]string) []string {
	t.Helper()
	// The compiler is told, by line comments, that the code stands in the
	// Markdown files below this folder. They need not exist.
	dir := t.TempDir()
	src := filepath.Join(dir, markdownDir)
	packages := packageNames(t)
	var found []string
	n := 0
	for _, file := range slices.Sorted(maps.Keys(files)) {
		blocks, complaints := goBlocks(file, files[file])
		found = append(found, complaints...)
		for _, b := range blocks {
			text, testFile, err := wrapBlock(b, packages, src)
			if err != nil {
				found = append(found, err.Error())
				continue
			}
			name := "snippet.go"
			if testFile {
				name = "snippet_test.go"
			}
			n++
			writeFile(t, dir, fmt.Sprintf("s%03d/%s", n, name), text)
		}
	}
	if n == 0 {
		return found
	}
	t.Logf("%d blocks", n)
	sums := allSums(t)
	writeFile(t, dir, "go.mod", snippetModule(t))
	writeFile(t, dir, "go.sum", sums)
	_, err := goCommand{dir: dir, work: "off", env: []string{"GOFLAGS=-mod=mod"}}.run(t, "vet", "-unreachable=false", "./...")
	if err == nil {
		return append(found, downloads(t, dir, sums)...)
	}
	lines := snippetErrors(err.Error())
	if len(lines) == 0 {
		lines = []string{err.Error()}
	}
	return append(found, lines...)
}

// snippetModule requires and replaces all modules of the repository, so that a
// block may show any of them.
func snippetModule(t *testing.T) string {
	t.Helper()
	text := "module snippets.example\n\ngo " + goLine + "\n\n"
	version := coreVersion(t)
	for folder, m := range modules(t) {
		text += fmt.Sprintf("require %s %s\nreplace %[1]s => %[3]s\n", m.Module.Path, version, filepath.Join(root(t), filepath.FromSlash(folder)))
	}
	return text
}

// downloads reports modules that no module of the repository requires: reading
// the documentation must not need the network.
func downloads(t *testing.T, dir, known string) []string {
	t.Helper()
	after, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, line := range sumLines(string(after)) {
		if !strings.Contains(known, line) {
			found = append(found, fmt.Sprintf("the code in the documentation needs %q, which is in no go.sum", line))
		}
	}
	return found
}

// markdownDir is where the compiler believes the Markdown files are.
const markdownDir = "the-markdown-files"

// snippetErrors keeps what go vet says about Markdown files, without the path
// of the temporary folder.
func snippetErrors(output string) []string {
	var found []string
	for line := range strings.SplitSeq(output, "\n") {
		if _, place, ok := strings.Cut(line, markdownDir+string(filepath.Separator)); ok {
			found = append(found, filepath.ToSlash(place))
		}
	}
	return found
}

// block is the code between two fences.
type block struct {
	file string
	line int // of the first line of code, from 1
	code string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.file, b.line) }

var fence = regexp.MustCompile("^(\\s*)```+\\s*(\\w*)")

// goBlocks finds the blocks marked as Go. A block may be indented, in a list.
func goBlocks(file, text string) (blocks []block, complaints []string) {
	var open *block
	inside := false // any language
	indent := ""
	line := 0
	for text := range strings.Lines(text) {
		line++
		m := fence.FindStringSubmatch(text)
		switch {
		case m != nil && !inside:
			inside, indent = true, m[1]
			if m[2] == "go" {
				open = &block{file: file, line: line + 1}
			}
		case m != nil:
			if open != nil {
				blocks = append(blocks, *open)
			}
			inside, open = false, nil
		case open != nil:
			open.code += strings.TrimPrefix(text, indent)
		}
	}
	if open != nil {
		complaints = append(complaints, fmt.Sprintf("%v: the block is not closed", open))
	}
	return blocks, complaints
}

// ambiguous names that a fragment may use without an import: the one meant.
var ambiguous = map[string]string{
	"rand":     "math/rand/v2",
	"template": "html/template",
	"pprof":    "net/http/pprof",
	"scanner":  "bufio",
	"rate":     libTime + "/rate",
	"lru":      libLRU,
}

// packageNames maps the names that a fragment may use to packages: those of the
// standard library, of this repository and of the named libraries.
func packageNames(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	for p := range strings.FieldsSeq(string(inWork(t).must(t, "list", "std"))) {
		if strings.Contains(p, "internal/") || strings.HasPrefix(p, "vendor/") || strings.HasSuffix(p, "/v2") {
			continue
		}
		if _, taken := names[path.Base(p)]; !taken {
			names[path.Base(p)] = p
		}
	}
	ours := inWork(t).must(t, "list", "-e", "-f", `{{if ne .Name "main"}}{{.Name}} {{.ImportPath}}{{end}}`, "work")
	for line := range strings.Lines(string(ours)) {
		if name, p, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.Contains(p, "/internal/") {
			names[name] = p
		}
	}
	maps.Copy(names, ambiguous)
	return names
}
