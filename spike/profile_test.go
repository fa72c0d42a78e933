package spike

import (
	"math"
	"strings"
	"testing"
	"time"
)

const sec = time.Second

func TestProfileRates(t *testing.T) {
	for _, tt := range []struct {
		name    string
		profile Profile
		want    map[time.Duration]float64
	}{
		{"steady", Steady(5), map[time.Duration]float64{0: 5, time.Hour: 5}},
		{"step", Step(10, 100, 2*sec, 3*sec), map[time.Duration]float64{
			0: 10, 2*sec - 1: 10, 2 * sec: 100, 5*sec - 1: 100, 5 * sec: 10, 9 * sec: 10,
		}},
		{"ramp", Ramp(10, 30, sec, 2*sec), map[time.Duration]float64{
			0: 10, sec: 10, 2 * sec: 20, 3 * sec: 30, 9 * sec: 30,
		}},
		{"flash", Flash(10, 110, sec, sec, 2*sec, 4*sec), map[time.Duration]float64{
			0: 10, sec: 10, 3 * sec / 2: 60, 2 * sec: 110, 4 * sec: 110, 6 * sec: 60, 8 * sec: 10, 9 * sec: 10,
		}},
		{"sine", Sine(100, 0.5, 4*sec), map[time.Duration]float64{0: 100, sec: 150, 2 * sec: 100, 3 * sec: 50}},
		{"sine to nothing", Sine(100, 1, 4*sec), map[time.Duration]float64{3 * sec: 0}},
		{"late first point", Profile{Points: []Point{{sec, 7}, {2 * sec, 9}}}, map[time.Duration]float64{0: 7, sec: 7, 3 * sec / 2: 8}},
		{"two steps at once", Profile{Points: []Point{{0, 1}, {sec, 2}, {sec, 3}, {sec, 4}}}, map[time.Duration]float64{sec - 1: 2, sec: 4}},
		{"none", Profile{}, map[time.Duration]float64{0: 0, sec: 0}},
	} {
		for at, want := range tt.want {
			if got := tt.profile.Rate(at); math.Abs(got-want) > 1e-6 {
				t.Errorf("%s: rate at %v is %v, want %v", tt.name, at, got, want)
			}
		}
		for at := time.Duration(0); at < 10*sec; at += 7 * time.Millisecond {
			if got := tt.profile.Rate(at); got < 0 || got > tt.profile.Peak()+1e-9 {
				t.Fatalf("%s: rate at %v is %v, not within 0 and the peak of %v", tt.name, at, got, tt.profile.Peak())
			}
		}
	}
}

func TestProfileValidate(t *testing.T) {
	for want, p := range map[string]Profile{
		"Points[1].At must be no earlier": {Points: []Point{{sec, 1}, {0, 1}}},
		"Points[0].At must be between":    {Points: []Point{{-1, 1}}},
		"Points[0].Rate must be between":  {Points: []Point{{0, 2e6}}},
		"Swing must be between":           {Points: []Point{{0, 1}}, Swing: 1.1, Period: sec},
		"Period must be positive":         Sine(1, 0.5, 0),
		"Period must be positive (got -":  Sine(1, 0.5, -sec),
		"between 1 and 100000 points":     {Points: make([]Point, maxPoints+1)},
	} {
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ...%s...", err, want)
		}
	}
}

func TestReadProfile(t *testing.T) {
	p, err := ReadProfile(strings.NewReader("seconds,rate\n# a comment\n0, 10\n\n1.5,20\r\n 2.5 , 0 \n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Points) != 3 || p.Points[1] != (Point{1500 * time.Millisecond, 20}) || p.Rate(2*sec) != 10 {
		t.Errorf("got %+v", p)
	}
}

func TestReadProfileErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "Profile.Points",
		"seconds,rate\n":                     "Profile.Points",
		"0,1\nseconds,rate\n":                "line 2: seconds must be between 0 and 86400 (got \"seconds\")",
		"0 1\n":                              "line 1: want `seconds,rate` (got \"0 1\")",
		"0,1,2\n":                            "line 1: rate",
		"-1,1\n":                             "line 1: seconds",
		"1e9,1\n":                            "line 1: seconds",
		"NaN,1\n":                            "Profile.Points", // a first line that begins with a letter is a heading
		"0,1\nNaN,1\n":                       "line 2: seconds",
		"0,NaN\n":                            "line 1: rate",
		"0,Inf\n":                            "line 1: rate",
		"0,-3\n":                             "line 1: rate",
		"0,1e7\n":                            "line 1: rate",
		"2,1\n1,1\n":                         "line 2: time goes back",
		strings.Repeat("1", 5000):            "line 1: bufio.Scanner: token too long",
		strings.Repeat("0,1\n", maxPoints+1): "more than 100000 points",
	} {
		if _, err := ReadProfile(strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %v, want ...%s...", in, err, want)
		}
	}
}

func FuzzReadProfile(f *testing.F) {
	for _, s := range []string{
		"seconds,rate\n0,10\n1.5,20\n", "0,1", "# only\n", "0,1\n0,2\n0,3\n", "1e-9,1e-9", "0x1p3,1", "1,1\n,", "0,1\n-0,1\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		p, err := ReadProfile(strings.NewReader(in))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "seawall/spike: ") {
				t.Errorf("error %q does not name the package", err)
			}
			return
		}
		if err := p.Validate(); err != nil {
			t.Fatalf("read what is not valid: %v", err)
		}
		var out strings.Builder
		if n, err := p.WriteTo(&out); err != nil || int(n) != out.Len() {
			t.Fatalf("WriteTo: %d of %d bytes, %v", n, out.Len(), err)
		}
		back, err := ReadProfile(strings.NewReader(out.String()))
		if err != nil || len(back.Points) != len(p.Points) {
			t.Fatalf("written %q, read back %d of %d points: %v", out.String(), len(back.Points), len(p.Points), err)
		}
		for i := range p.Points {
			if a, b := p.Points[i], back.Points[i]; a.Rate != b.Rate || (a.At-b.At).Abs() > time.Microsecond {
				t.Fatalf("point %d: %+v became %+v", i, a, b)
			}
		}
	})
}

func TestProfileWriteErrors(t *testing.T) {
	p := Step(1, 2, sec, sec)
	for left := range 20 {
		if n, err := p.WriteTo(&failingWriter{left}); err == nil || n > int64(left) {
			t.Fatalf("with room for %d bytes: %d, %v", left, n, err)
		}
	}
}
