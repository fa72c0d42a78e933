package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seawall-go/seawall/seawalltest"
)

// corePath is the core module. Every other module of the repository lives
// below it.
const corePath = "github.com/seawall-go/seawall"

func TestMain(m *testing.M) { seawalltest.Main(m) }

// repoRoot is the directory of go.work, upwards from here.
var repoRoot = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.work above this test")
		}
		dir = up
	}
})

func root(t testing.TB) string {
	t.Helper()
	dir, err := repoRoot()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// goCommand is one run of the go command, cut off from the caller's own
// settings as far as they could change the answer.
type goCommand struct {
	dir  string
	work string   // a go.work file, or "off"
	env  []string // more settings, the last wins
}

// inWork runs the go command at the root of the workspace, whatever GOWORK the
// test itself runs with.
func inWork(t testing.TB, env ...string) goCommand {
	t.Helper()
	dir := root(t)
	return goCommand{dir: dir, work: filepath.Join(dir, "go.work"), env: env}
}

// run returns standard output, and standard error as part of the error.
func (c goCommand) run(t testing.TB, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "GOWORK="+c.work, "GOFLAGS=-buildvcs=false")
	cmd.Env = append(cmd.Env, c.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.Bytes(), fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return stdout.Bytes(), nil
}

func (c goCommand) must(t testing.TB, args ...string) []byte {
	t.Helper()
	out, err := c.run(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// decodeAll reads JSON values that follow one another, as go list writes them.
func decodeAll[T any](t testing.TB, data []byte) []T {
	t.Helper()
	var all []T
	for dec := json.NewDecoder(bytes.NewReader(data)); ; {
		var v T
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
}

// repoFiles lists the files under version control and those about to be, with
// slashes, relative to the root. Without git (a source archive) it is every
// file.
func repoFiles(t testing.TB) []string {
	t.Helper()
	dir := root(t)
	// safe.directory: a checkout may belong to another user than the tests.
	out, err := exec.CommandContext(t.Context(), "git", "-C", dir, "-c", "safe.directory=*",
		"ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Logf("git ls-files: %v; every file counts", err)
		return walkFiles(t, dir)
	}
	var files []string
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

func walkFiles(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == ".git" || path == "bin"):
			return fs.SkipDir
		case d.Type().IsRegular():
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// withSuffix keeps the names that end so.
func withSuffix(files []string, suffix string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(name string) bool {
		return !strings.HasSuffix(name, suffix)
	})
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// writeFile writes a file below dir, with the directories it needs.
func writeFile(t testing.TB, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// report fails the test once for each complaint.
func report(t testing.TB, complaints []string) {
	t.Helper()
	for _, c := range complaints {
		t.Error(c)
	}
}

// wants fails unless each of the substrings is in some complaint, and each
// complaint holds one of them: a rule must see what it is there for, and
// nothing else.
func wants(t testing.TB, complaints []string, substrings ...string) {
	t.Helper()
	for _, want := range substrings {
		if !slices.ContainsFunc(complaints, func(c string) bool { return strings.Contains(c, want) }) {
			t.Errorf("no complaint about %q in %q", want, complaints)
		}
	}
	for _, c := range complaints {
		if !slices.ContainsFunc(substrings, func(s string) bool { return strings.Contains(c, s) }) {
			t.Errorf("unexpected complaint: %s", c)
		}
	}
}
