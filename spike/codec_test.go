package spike

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/seawall-go/seawall"
)

func someRecord() *Record {
	return &Record{
		Load:    Load{Profile: Step(1, 2, 3, 4), Duration: 5, Journeys: Journeys{Length: 4}},
		Started: time.Unix(1_700_000_000, 7).UTC(), Elapsed: 6, CPU: 7, Attempts: 8, Dropped: 9,
		Samples: []Sample{
			{},
			{1 << 40, 7, 9, 100, 200, 3, TimedOut, seawall.Background, 4, 101, 15, true},
			{math.MaxUint64, math.MaxUint32, math.MaxUint32, maxDuration, math.MaxInt64, math.MaxInt64, Dropped, seawall.Critical, 255, 255, 0, false},
			{2, 3, 4, 50, 0, 0, Rejected, seawall.Sheddable, 1, 1, 3, true}, // not in order
		},
	}
}

func encode(t testing.TB, r *Record) []byte {
	t.Helper()
	var buf bytes.Buffer
	if n, err := r.WriteTo(&buf); err != nil || n != int64(buf.Len()) {
		t.Fatalf("wrote %d of %d bytes: %v", n, buf.Len(), err)
	}
	return buf.Bytes()
}

func TestRecordRoundTrip(t *testing.T) {
	for _, want := range []*Record{{}, someRecord()} {
		data := encode(t, want)
		for name, r := range map[string]io.Reader{
			"at once": bytes.NewReader(data), "byte by byte": iotest.OneByteReader(bytes.NewReader(data)),
			"error at the end": iotest.DataErrReader(bytes.NewReader(data)),
		} {
			got, err := ReadRecord(r)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s:\ngot  %+v\nwant %+v", name, got, want)
			}
		}
	}
}

// TestReadRecordStopsAtItsEnd: what follows a record is left to the caller.
func TestReadRecordStopsAtItsEnd(t *testing.T) {
	r := bytes.NewReader(append(encode(t, someRecord()), "rest"...))
	if _, err := ReadRecord(r); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "rest" {
		t.Errorf("left %q", rest)
	}
}

func TestReadRecordFindsDamage(t *testing.T) {
	data := encode(t, someRecord())
	for i := range data {
		if _, err := ReadRecord(bytes.NewReader(data[:i])); err == nil {
			t.Fatalf("the first %d of %d bytes are a record", i, len(data))
		} else if i > 0 && !strings.Contains(err.Error(), "unexpected EOF") {
			t.Errorf("cut at %d: %v", i, err)
		}
		bad := slices.Clone(data)
		bad[i] ^= 0x10
		if _, err := ReadRecord(bytes.NewReader(bad)); err == nil {
			t.Errorf("byte %d may be damaged", i)
		}
	}
	if _, err := ReadRecord(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

// TestRecordIsCompact: about 14 bytes a request.
func TestRecordIsCompact(t *testing.T) {
	rec := run(t, Load{Profile: Steady(1000), Duration: 10 * sec}, after(77*ms, Success))
	if per := float64(len(encode(t, rec))) / float64(len(rec.Samples)); per > 24 {
		t.Errorf("%.1f bytes a request", per)
	}
	if size := reflect.TypeFor[Sample]().Size(); size > 48 {
		t.Errorf("a sample takes %d bytes, more than 48", size)
	}
}

type failingWriter struct{ left int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestRecordWriteErrors(t *testing.T) {
	rec := someRecord()
	for left := range len(encode(t, rec)) {
		if _, err := rec.WriteTo(&failingWriter{left}); !errors.Is(err, io.ErrShortWrite) {
			t.Fatalf("with room for %d bytes: %v", left, err)
		}
	}
}

func FuzzReadRecord(f *testing.F) {
	f.Add(encode(f, &Record{}))
	f.Add(encode(f, someRecord()))
	f.Add([]byte(recordMagic))
	f.Add([]byte(recordMagic + "\x12{\"samples\":999999}"))
	f.Add([]byte(recordMagic + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := ReadRecord(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, err := ReadRecord(bytes.NewReader(encode(t, rec)))
		if err != nil || !reflect.DeepEqual(rec, again) {
			t.Fatalf("read %+v, then %+v, %v", rec, again, err)
		}
		_ = Analyze(rec, Scenario{Load: rec.Load, Start: 1, End: 2}, BackendStats{})
		_ = rec.LagQuantile(0.99)
	})
}

func TestLagQuantile(t *testing.T) {
	rec := &Record{}
	if rec.LagQuantile(0.5) != 0 {
		t.Error("no requests have a lag")
	}
	for i := range 100 {
		rec.Samples = append(rec.Samples, Sample{Lag: time.Duration(100 - i)})
	}
	rec.Samples = append(rec.Samples, Sample{Outcome: Dropped, Lag: 1000})
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := rec.LagQuantile(q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
}
