package house

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// toCopy are the examples that are meant to be copied: servers with the flags
// -addr and -admin, and a /healthz.
var toCopy = []string{"hello", "limits", "feed"}

// TestCopiedExamples: the folder of an example, copied out of the repository, is
// a program: "go mod init", "go mod tidy", "go run".
func TestCopiedExamples(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("programs are stopped by a signal here")
	}
	for _, name := range toCopy {
		t.Run(name, func(t *testing.T) {
			dir := copyOut(t, "examples/"+name)
			command := goCommand{dir: dir, work: "off"}
			command.must(t, "mod", "init", "copy.example/"+name)
			// The versions that a user would get are not published yet.
			for folder, m := range modules(t) {
				command.must(t, "mod", "edit", "-replace", m.Module.Path+"="+filepath.Join(root(t), filepath.FromSlash(folder)))
			}
			writeFile(t, dir, "go.sum", allSums(t)) // known sums need no network
			command.must(t, "mod", "tidy")
			command.must(t, "vet", "./...")
			command.must(t, "build", "-o", "program", ".")
			serves(t, filepath.Join(dir, "program"))
		})
	}
}

// copyOut copies the files of a folder that are under version control.
func copyOut(t *testing.T, folder string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, file := range repoFiles(t) {
		if rest, ok := strings.CutPrefix(file, folder+"/"); ok {
			writeFile(t, dir, rest, readFile(t, file))
		}
	}
	return dir
}

var whereItListens = regexp.MustCompile(`http://127\.0\.0\.1:\d+|127\.0\.0\.1:\d+`)

// serves starts a program, asks it how it is, and stops it.
func serves(t *testing.T, program string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	said := bufio.NewReader(log)
	line, err := said.ReadString('\n')
	url := whereItListens.FindString(line)
	if err != nil || url == "" {
		t.Fatalf("the first line should tell where it listens: %q, %v", line, err)
	}
	if !strings.HasPrefix(url, "http://") {
		url = "http://" + url
	}
	if err := isWell(t, url+"/healthz"); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(said)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, rest)
	}
}

func isWell(t *testing.T, url string) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || string(body) != "ok\n" {
		return fmt.Errorf("%s: status %d, %q, %w", url, resp.StatusCode, body, cmp.Or(err, errors.New("want 200 and ok")))
	}
	return nil
}
