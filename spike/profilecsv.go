package spike

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// maxLine bounds a line of a profile, in bytes.
const maxLine = 4096

// ReadProfile reads a recorded load to be replayed: lines `seconds,rate`, in
// order of time, rates in requests a second, straight lines between. Empty
// lines and lines that begin with # are skipped, and so is a first line that
// begins with a letter (a heading). Errors name the line.
func ReadProfile(r io.Reader) (Profile, error) {
	var p Profile
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, maxLine), maxLine)
	line := 0
	for sc.Scan() {
		line++
		text := strings.TrimSpace(sc.Text())
		if text == "" || text[0] == '#' || (line == 1 && isLetter(text[0])) {
			continue
		}
		if len(p.Points) == maxPoints {
			return Profile{}, fmt.Errorf("seawall/spike: profile line %d: more than %d points", line, maxPoints)
		}
		pt, err := parsePoint(text)
		if err != nil {
			return Profile{}, fmt.Errorf("seawall/spike: profile line %d: %w", line, err)
		}
		if n := len(p.Points); n > 0 && pt.At < p.Points[n-1].At {
			return Profile{}, fmt.Errorf("seawall/spike: profile line %d: time goes back", line)
		}
		p.Points = append(p.Points, pt)
	}
	if err := sc.Err(); err != nil {
		return Profile{}, fmt.Errorf("seawall/spike: profile line %d: %w", line+1, err)
	}
	return p, p.Validate()
}

func parsePoint(text string) (Point, error) {
	at, rate, ok := strings.Cut(text, ",")
	if !ok {
		return Point{}, fmt.Errorf("want `seconds,rate` (got %.40q)", text)
	}
	s, err := strconv.ParseFloat(strings.TrimSpace(at), 64)
	if err != nil || !(s >= 0 && s <= maxDuration.Seconds()) {
		return Point{}, fmt.Errorf("seconds must be between 0 and %v (got %.40q)", maxDuration.Seconds(), at)
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(rate), 64)
	if err != nil || !(v >= 0 && v <= maxRate) {
		return Point{}, fmt.Errorf("rate must be between 0 and %v (got %.40q)", float64(maxRate), rate)
	}
	return Point{At: time.Duration(s * float64(time.Second)), Rate: v}, nil
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// WriteTo writes the profile's points in the form ReadProfile reads. A sine is
// not written.
func (p Profile) WriteTo(w io.Writer) (int64, error) {
	total := int64(0)
	for _, pt := range p.Points {
		n, err := fmt.Fprintf(w, "%s,%s\n", number(pt.At.Seconds()), number(pt.Rate))
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
