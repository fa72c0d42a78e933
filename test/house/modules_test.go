package house

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goLine is the go line of every module and of go.work, patch version and all:
// "go 1.26" in one of them and "go 1.26.0" in another breaks every go command
// in the workspace.
const goLine = "1.26.0"

// goMod is what the rules need of "go mod edit -json" and "go work edit -json".
type goMod struct {
	Module    struct{ Path string }
	Go        string
	Toolchain any
	Require   []struct{ Path, Version string }
	Replace   []struct {
		Old, New struct{ Path, Version string }
	}
	Use []struct{ DiskPath string }
}

// modules maps the folder of each go.mod, relative to the root, to its content.
func modules(t *testing.T) map[string]goMod {
	t.Helper()
	all := map[string]goMod{}
	for _, file := range repoFiles(t) {
		if path.Base(file) == "go.mod" && !strings.Contains(file, "testdata/") {
			all[path.Dir(file)] = editJSON(t, "mod", file)
		}
	}
	return all
}

func editJSON(t *testing.T, kind, file string) goMod {
	t.Helper()
	out := goCommand{dir: root(t), work: "off"}.must(t, kind, "edit", "-json", filepath.FromSlash(file))
	var m goMod
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return m
}

// TestModules: the workspace is whole, and each module works without it.
func TestModules(t *testing.T) {
	all := modules(t)
	if all["."].Module.Path != corePath || all["test"].Module.Path != corePath+"/test" {
		t.Fatalf("the modules found are %v", all)
	}
	report(t, workComplaints(editJSON(t, "work", "go.work"), all))
	report(t, moduleComplaints(all))
}

func workComplaints(work goMod, all map[string]goMod) []string {
	var found, used []string
	for _, use := range work.Use {
		used = append(used, path.Clean(use.DiskPath))
	}
	for dir := range all {
		if !slices.Contains(used, dir) {
			found = append(found, fmt.Sprintf("go.work does not use ./%s: \"go test work\" passes it by", dir))
		}
	}
	for _, dir := range used {
		if _, ok := all[dir]; !ok {
			found = append(found, fmt.Sprintf("go.work uses ./%s, which is no module", dir))
		}
	}
	if !slices.IsSorted(used) {
		found = append(found, fmt.Sprintf("go.work: not sorted: %q", used))
	}
	if work.Go != goLine || work.Toolchain != nil {
		found = append(found, fmt.Sprintf("go.work: want go %s and no toolchain (got go %s, toolchain %v)", goLine, work.Go, work.Toolchain))
	}
	if len(work.Replace) > 0 {
		found = append(found, "go.work: replaces belong in the modules, which must stand without it")
	}
	return found
}

func moduleComplaints(all map[string]goMod) []string {
	var found []string
	versions := map[string][]string{} // of our own modules, and who asks for them
	for dir, m := range all {
		complain := func(format string, args ...any) {
			found = append(found, path.Join(dir, "go.mod")+": "+fmt.Sprintf(format, args...))
		}
		if want := path.Join(corePath, dir); m.Module.Path != want {
			complain("want module %s (got %s)", want, m.Module.Path)
		}
		if m.Go != goLine || m.Toolchain != nil {
			complain("want go %s and no toolchain (got go %s, toolchain %v)", goLine, m.Go, m.Toolchain)
		}
		for _, r := range m.Require {
			if _, ours := roomOf(r.Path); ours {
				versions[r.Version] = append(versions[r.Version], dir)
			}
		}
		if dir == "." {
			if len(m.Replace) > 0 {
				complain("has a replace line: \"go install %s/cmd/...@version\" refuses that", corePath)
			}
			continue
		}
		for _, why := range replaceComplaints(dir, m) {
			complain("%s", why)
		}
	}
	if len(versions) > 1 {
		found = append(found, fmt.Sprintf("our own modules are required at different versions: %v; see scripts/release.sh", versions))
	}
	return found
}

// replaceComplaints: a nested module requires the core and replaces it, and
// whatever else of ours it requires, by the folder beside it.
func replaceComplaints(dir string, m goMod) []string {
	var found []string
	replaced := map[string]bool{}
	for _, r := range m.Replace {
		replaced[r.Old.Path] = true
		_, ours := roomOf(r.Old.Path)
		if !ours {
			found = append(found, fmt.Sprintf("replaces %s: users of the module would not get that", r.Old.Path))
			continue
		}
		folder, err := filepath.Rel(filepath.FromSlash(dir), filepath.FromSlash(strings.TrimPrefix(strings.TrimPrefix(r.Old.Path, corePath), "/")))
		if err != nil || path.Clean(r.New.Path) != filepath.ToSlash(folder) || r.Old.Version != "" || r.New.Version != "" {
			found = append(found, fmt.Sprintf("want replace %s => %s (got %s %s => %s %s)",
				r.Old.Path, filepath.ToSlash(folder), r.Old.Path, r.Old.Version, r.New.Path, r.New.Version))
		}
	}
	core := false
	for _, r := range m.Require {
		if _, ours := roomOf(r.Path); !ours {
			continue
		}
		core = core || r.Path == corePath
		if !replaced[r.Path] {
			found = append(found, fmt.Sprintf("requires %s and does not replace it", r.Path))
		}
	}
	if !core {
		found = append(found, "does not require "+corePath)
	}
	return found
}

func TestModuleComplaints(t *testing.T) {
	parse := func(text string) goMod {
		dir := t.TempDir()
		writeFile(t, dir, "go.mod", text)
		out := goCommand{dir: dir, work: "off"}.must(t, "mod", "edit", "-json")
		var m goMod
		if err := json.Unmarshal(out, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	nested := func(name, rest string) goMod { return parse("module " + corePath + name + "\n" + rest) }
	good := map[string]goMod{
		".":              nested("", "go 1.26.0"),
		"adapters/store": nested("/adapters/store", "go 1.26.0\nrequire "+corePath+" v0.1.0\nreplace "+corePath+" => ../../"),
		"examples": nested("/examples", "go 1.26.0\nrequire (\n"+corePath+" v0.1.0\n"+corePath+"/adapters/store v0.1.0\n)\nreplace (\n"+
			corePath+" => ..\n"+corePath+"/adapters/store => ../adapters/store\n)"),
	}
	wants(t, moduleComplaints(good))

	wants(t, moduleComplaints(map[string]goMod{
		".":  nested("", "go 1.26.0\nreplace example.org/x => example.org/y v1.0.0"),
		"a":  nested("/a", "go 1.26.0"),
		"b":  nested("/b", "go 1.26.0\nrequire "+corePath+" v0.1.0"),
		"c":  nested("/c", "go 1.26.0\nrequire "+corePath+" v0.2.0\nreplace "+corePath+" => ../"),
		"d":  nested("/d", "go 1.26.0\nrequire "+corePath+" v0.1.0\nreplace "+corePath+" => /somewhere"),
		"e":  nested("/x", "go 1.26\nrequire "+corePath+" v0.1.0\nreplace "+corePath+" => ../"),
		"f":  nested("/f", "go 1.26.0\ntoolchain go1.26.8\nrequire "+corePath+" v0.1.0\nreplace "+corePath+" => ../"),
		"g/": nested("/g", "go 1.26.0\nrequire "+corePath+" v0.1.0\nreplace (\n"+corePath+" => ../\nexample.org/x => ../x\n)"),
	}),
		"go.mod: has a replace line",
		"a/go.mod: does not require "+corePath,
		"b/go.mod: requires "+corePath+" and does not replace it",
		"at different versions",
		"d/go.mod: want replace "+corePath+" => ..",
		"e/go.mod: want module "+corePath+"/e",
		"e/go.mod: want go 1.26.0 and no toolchain (got go 1.26,",
		"f/go.mod: want go 1.26.0 and no toolchain (got go 1.26.0, toolchain ",
		"g/go.mod: replaces example.org/x",
	)

	var work goMod
	work.Go = "1.26"
	for _, dir := range []string{"./examples", ".", "./gone"} {
		work.Use = append(work.Use, struct{ DiskPath string }{dir})
	}
	wants(t, workComplaints(work, good),
		"does not use ./adapters/store", "uses ./gone, which is no module", "not sorted", "want go 1.26.0")
}
