package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// report is the table and the verdict.
func report(blocks []block, o *options) string {
	var figures []spike.Figures
	for _, b := range blocks {
		for _, r := range b.Results {
			f := r.Median
			f.Scenario, f.Contender = b.name(), r.Contender
			figures = append(figures, f)
		}
	}
	var text strings.Builder
	text.WriteString(spike.Table(figures))
	if o.seeds > 1 {
		fmt.Fprintf(&text, "(medians of %s)\n", o.crowds())
	}
	text.WriteByte('\n')
	for i := range blocks {
		for _, line := range verdict(&blocks[i]) {
			if len(blocks) > 1 {
				line = blocks[i].name() + ": " + line
			}
			text.WriteString(line + "\n")
		}
	}
	return text.String()
}

// crowds is how many the medians are of.
func (o *options) crowds() string {
	if least := o.seeds/2 + 1; o.all && least < o.seeds {
		return fmt.Sprintf("%d crowds, or of %d that agree about every target", o.seeds, least)
	}
	return plural(o.seeds, "crowd")
}

// verdict says in two lines what the table says in twenty.
func verdict(b *block) []string {
	did := func(r *result) string {
		return fmt.Sprintf("%s of the possible work, %s of Critical", number(r.Median.Goodput, percent), number(r.Median.Critical, percent))
	}
	var said []string
	if r := b.of(bareName); r != nil {
		said = append(said, "Without seawall: "+did(r)+" (logins, payments) answered in time.")
	}
	if r := b.of(seawallName); r != nil {
		line := "With seawall, not told the capacity: " + did(r) + "."
		if o := b.of(oracleName); o != nil {
			line += fmt.Sprintf(" A gate that knows it: %s, %s.", number(o.Median.Goodput, percent), number(o.Median.Critical, percent))
		}
		said = append(said, line)
	}
	return said
}

// document is the file of -json.
type document struct {
	Format   string    `json:"format"`
	Started  time.Time `json:"started"`
	Machine  machine   `json:"machine"`
	Capacity float64   `json:"capacity_per_second"`
	Blocks   []block   `json:"scenarios"`
	Targets  []finding `json:"targets,omitempty"`
}

const documentFormat = "seawall flashcrowd 1"

type machine struct {
	Go   string `json:"go"`
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPUs int    `json:"cpus"`
}

func newDocument(o *options, blocks []block, started time.Time) *document {
	return &document{
		Format:   documentFormat,
		Started:  started,
		Machine:  machine{runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU()},
		Capacity: o.backend.Capacity(),
		Blocks:   blocks,
	}
}

// write makes the files and says where they are.
func (o *options) write(out io.Writer, doc *document) error {
	var written []string
	save := func(path string, data []byte) error {
		if err := os.WriteFile(path, data, 0o644); err != nil { //nolint:gosec // to be shown to others
			return fmt.Errorf("writing: %w", err)
		}
		written = append(written, path)
		return nil
	}
	if o.svg != "" {
		for i := range doc.Blocks {
			picture, err := drawBlock(&doc.Blocks[i])
			if err != nil {
				return fmt.Errorf("drawing: %w", err)
			}
			if err := save(pathOf(o.svg, doc.Blocks, i), picture); err != nil {
				return err
			}
		}
	}
	if o.json != "" {
		var data bytes.Buffer
		enc := json.NewEncoder(&data)
		enc.SetIndent("", " ")
		if err := enc.Encode(doc); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
		if err := save(o.json, data.Bytes()); err != nil {
			return err
		}
	}
	if len(written) > 0 {
		fmt.Fprintf(out, "\nwritten: %s\n", strings.Join(written, ", "))
	}
	return nil
}

// pathOf puts the scenario's name into the file name when there are several.
func pathOf(path string, blocks []block, i int) string {
	if len(blocks) == 1 {
		return path
	}
	ext := filepath.Ext(path)
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(":, ", r) {
			return '-'
		}
		return r
	}, blocks[i].name())
	return strings.TrimSuffix(path, ext) + "-" + name + ext
}
