package spike

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"time"

	"github.com/seawall-go/seawall"
)

// The format of a record: the magic; the header as JSON behind its length;
// then each sample as varints (about 14 bytes); then a CRC-32 of it all.
const (
	recordMagic     = "seawall spike 2\n"
	maxRecordHeader = 16 << 20

	flagAbuser = 0x80 // the lower bits of the last byte are the route
)

// recordHeader is all of a Record but its samples.
type recordHeader struct {
	Load     Load          `json:"load"`
	Started  time.Time     `json:"started"`
	Elapsed  time.Duration `json:"elapsed_ns"`
	CPU      time.Duration `json:"cpu_ns"`
	Attempts uint64        `json:"attempts"`
	Dropped  uint64        `json:"dropped"`
	Samples  int           `json:"samples"`
}

// WriteTo writes the record in a compact binary form, for ReadRecord.
func (r *Record) WriteTo(w io.Writer) (int64, error) {
	header, err := json.Marshal(recordHeader{
		r.Load, r.Started, r.Elapsed, r.CPU, r.Attempts, r.Dropped, len(r.Samples),
	})
	if err != nil {
		return 0, fmt.Errorf("seawall/spike: record: %w", err)
	}
	out := &countingWriter{w: w, sum: crc32.NewIEEE()}
	bw := bufio.NewWriter(out)
	buf := append([]byte(recordMagic), binary.AppendUvarint(nil, uint64(len(header)))...)
	bw.Write(buf)
	bw.Write(header)
	before := time.Duration(0)
	for i := range r.Samples {
		s := &r.Samples[i]
		buf = binary.AppendUvarint(buf[:0], s.ID)
		buf = binary.AppendUvarint(buf, uint64(s.User))
		buf = binary.AppendUvarint(buf, uint64(s.Journey))
		buf = binary.AppendVarint(buf, int64(s.Intended-before))
		buf = binary.AppendVarint(buf, int64(s.Latency))
		buf = binary.AppendVarint(buf, int64(s.Lag))
		buf = append(buf, byte(s.Outcome), byte(s.Priority), s.Step, s.Attempts, s.flags())
		bw.Write(buf)
		before = s.Intended
	}
	if err := bw.Flush(); err != nil { // the first error of all the writes
		return out.n, fmt.Errorf("seawall/spike: record: %w", err)
	}
	if _, err := out.Write(out.sum.Sum(nil)); err != nil {
		return out.n, fmt.Errorf("seawall/spike: record: %w", err)
	}
	return out.n, nil
}

// ReadRecord reads what WriteTo wrote, and nothing beyond it when r is an
// io.ByteReader. It takes memory only for what is there, whatever the header
// promises.
func ReadRecord(r io.Reader) (*Record, error) {
	src, ok := r.(byteReader)
	if !ok {
		src = bufio.NewReader(r)
	}
	in := &summingReader{r: src}
	rec, err := readRecord(in)
	if err != nil {
		return nil, fmt.Errorf("seawall/spike: record: %w", noEOF(err))
	}
	return rec, nil
}

func readRecord(in *summingReader) (*Record, error) {
	magic := make([]byte, len(recordMagic))
	if _, err := io.ReadFull(in, magic); err != nil {
		return nil, err
	}
	if string(magic) != recordMagic {
		return nil, errors.New("not a record of this version")
	}
	size, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, err
	}
	if size > maxRecordHeader {
		return nil, fmt.Errorf("header of %d bytes", size)
	}
	var h recordHeader
	body := io.LimitReader(in, int64(size))
	dec := json.NewDecoder(body)
	if err := dec.Decode(&h); err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return nil, err
	}
	if h.Samples < 0 || h.Samples > maxRequests {
		return nil, fmt.Errorf("%d samples", h.Samples)
	}
	rec := &Record{Load: h.Load, Started: h.Started, Elapsed: h.Elapsed, CPU: h.CPU, Attempts: h.Attempts, Dropped: h.Dropped}
	before := time.Duration(0)
	for range h.Samples {
		s, err := readSample(in, before)
		if err != nil {
			return nil, err
		}
		rec.Samples = append(rec.Samples, s)
		before = s.Intended
	}
	want := in.sum()
	var crc [4]byte
	if _, err := io.ReadFull(in, crc[:]); err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint32(crc[:]) != want {
		return nil, errors.New("checksum does not match")
	}
	return rec, nil
}

func (s *Sample) flags() byte {
	if s.Abuser {
		return s.Route | flagAbuser
	}
	return s.Route
}

func readSample(in *summingReader, before time.Duration) (Sample, error) {
	var u [3]uint64
	for i := range u {
		v, err := binary.ReadUvarint(in)
		if err != nil {
			return Sample{}, err
		}
		u[i] = v
	}
	var d [3]int64
	for i := range d {
		v, err := binary.ReadVarint(in)
		if err != nil {
			return Sample{}, err
		}
		d[i] = v
	}
	var b [5]byte
	for i := range b {
		v, err := in.ReadByte()
		if err != nil {
			return Sample{}, err
		}
		b[i] = v
	}
	s := Sample{
		ID: u[0], User: uint32(u[1]), Journey: uint32(u[2]),
		Intended: before + time.Duration(d[0]), Latency: time.Duration(d[1]), Lag: time.Duration(d[2]),
		Outcome: Outcome(b[0]), Priority: seawall.Priority(int8(b[1])), Step: b[2], Attempts: b[3], Route: b[4] &^ flagAbuser, Abuser: b[4]&flagAbuser != 0,
	}
	if s.Outcome >= numOutcomes || !s.Priority.Valid() || s.Intended < 0 || s.Intended > maxDuration || s.Latency < 0 || s.Lag < 0 ||
		s.Route >= maxRoutes || u[1] != uint64(s.User) || u[2] != uint64(s.Journey) {
		return Sample{}, fmt.Errorf("impossible sample %+v", s)
	}
	return s, nil
}

type byteReader interface {
	io.Reader
	io.ByteReader
}

// summingReader sums up what is read, single bytes by the kilobyte.
type summingReader struct {
	r    byteReader
	crc  uint32
	late [1024]byte // read, but not in crc yet
	n    int
}

func (s *summingReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.crc = crc32.Update(s.sum(), crc32.IEEETable, p[:n])
	return n, err
}

func (s *summingReader) ReadByte() (byte, error) {
	b, err := s.r.ReadByte()
	if err != nil {
		return 0, err
	}
	if s.n == len(s.late) {
		s.sum()
	}
	s.late[s.n] = b
	s.n++
	return b, nil
}

func (s *summingReader) sum() uint32 {
	s.crc = crc32.Update(s.crc, crc32.IEEETable, s.late[:s.n])
	s.n = 0
	return s.crc
}

// countingWriter counts and sums up what is written.
type countingWriter struct {
	w   io.Writer
	n   int64
	sum hash.Hash32
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.sum.Write(p[:n])
	return n, err
}

// noEOF names a premature end for what it is.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
