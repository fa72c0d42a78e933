package msgpackcodec

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// decodes tells the error of Decode into some types.
var decodes = map[string]func(data []byte) error{
	"any":        as[any],
	"product":    as[product],
	"*product":   as[*product],
	"products":   as[[]*product],
	"map":        as[map[string]any],
	"lists":      as[map[string][]int],
	"text":       as[map[string]string],
	"big":        as[[][1000]int],
	"string":     as[string],
	"bytes":      as[[]byte],
	"time":       as[time.Time],
	"raw":        as[msgpack.RawMessage],
	"ints":       as[map[int]int],
	"interfaces": as[[]any],
}

func as[V any](data []byte) error {
	_, err := New[V]().Decode(data)
	return err
}

// TestBombs: few bytes take little memory, whatever they announce.
func TestBombs(t *testing.T) {
	deep := func(level string, n int) string { return string(bytes.Repeat([]byte(level), n)) }
	for name, test := range map[string]struct {
		data string
		want error
	}{
		"array":            {"\xdd\xff\xff\xff\xff", errShort},
		"array16":          {"\xdc\xff\xff", errShort},
		"map":              {"\xdf\xff\xff\xff\xff", errShort},
		"map of half":      {"\xdf\x80\x00\x00\x01\xa0", errShort},
		"string":           {"\xdb\xff\xff\xff\xff", errShort},
		"bytes":            {"\xc6\x7f\xff\xff\xff", errShort},
		"extension":        {"\xc9\xff\xff\xff\xff\x01", errShort},
		"in a field":       {"\x81\xa4tags\xdd\x10\x00\x00\x00", errShort},
		"in an array":      {"\x92\x01\xdd\x10\x00\x00\x00", errShort},
		"half an array":    {"\x92\x01", errShort},
		"a length cut off": {"\xdd\x00", errShort},
		"nothing":          {"", errShort},
		"no value":         {"\xc1", errCode},
		"no value, inside": {"\x91\xc1", errCode},
		"two values":       {"\x01\x02", errRest},
		"deep":             {deep("\x91", 1<<20) + "\x01", errDeep},
		"deep maps":        {deep("\x81\x01", 1<<20) + "\x01", errDeep},
		"deep keys":        {deep("\x81", 1<<19) + deep("\x01", 1<<19+1), errDeep},
		"one too deep":     {deep("\x91", maxDepth+1) + "\x01", errDeep},
		// The body of the extension holds a map with an array of 2^32 elements.
		"map in fixext":      {"\xd7\xff\x81\xa1a\xdd\xff\xff\xff\xff", nil},
		"map in ext8":        {"\xc7\x08\xff\x81\xa1a\xdd\xff\xff\xff\xff", nil},
		"map behind ext8":    {"\x92\xc7\x00\xff\x81\xa1a\xa5\xdd\xff\xff\xff\xff", nil},
		"map in ext16":       {"\xc8\x00\x08\xff\x81\xa1a\xdd\xff\xff\xff\xff", nil},
		"map in ext16, odd":  {"\xc8\x00\x09\x81\xff\x81\xa1a\xdd\xff\xff\xff\xff", nil},
		"map in ext32":       {"\xc9\x00\x00\x00\x08\xff\x81\xa1a\xdd\xff\xff\xff\xff", nil},
		"map in a map's ext": {"\x81\xa1m\xd7\xff\x81\xa1a\xdd\xff\xff\xff\xff", nil},
	} {
		for into, decode := range decodes {
			decode([]byte("\xc0")) // what is built once for each type
			var err error
			took := allocated(func() { err = decode([]byte(test.data)) })
			switch {
			case test.want != nil && !errors.Is(err, test.want):
				t.Errorf("%s into %s: %v, want %v", name, into, err, test.want)
			case test.want == nil && into == "lists" && err == nil: // most others take it for a time
				t.Errorf("%s into %s: no error", name, into)
			}
			if limit := uint64(100_000 + 100*len(test.data)); took > limit {
				t.Errorf("%s into %s took %d bytes", name, into, took)
			}
		}
	}
}

// TestTimes: those whose bytes look like the head of a map, too.
func TestTimes(t *testing.T) {
	type row struct {
		At map[string]time.Time
		In any
	}
	for nano := int64(0); nano < 1e9; nano += 3_333_333 {
		at := time.Unix(1_795_000_000, nano)
		got := both(t, row{map[string]time.Time{"at": at}, at})
		if in, _ := got.In.(time.Time); !got.At["at"].Equal(at) || !in.Equal(at) {
			t.Fatalf("%v came back as %v", at, got)
		}
	}
}

// FuzzDecode: an error or a value, and memory that the bytes account for.
func FuzzDecode(f *testing.F) {
	seed := func(v any) {
		data, err := msgpack.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	seed(shirt())
	seed([]*product{{}, nil})
	seed(map[string]any{"a": []any{1, "b", nil, 2.5, true, time.Unix(1, 2)}})
	seed(map[string][]int{"a": {1, 2}})
	seed(time.Unix(1<<34, 5))
	f.Add([]byte("\xd7\xff\x81\xa1a\xdd\xff\xff\xff\xff"))
	f.Add([]byte("\xc7\x0c\xff\x81\xa1a\xdd\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Add([]byte("\xc8\x00\x0c\xff\x81\xa1a\xdd\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Add([]byte("\x92\xc4\x01\xd7\xd9\x01\xc7"))
	for _, decode := range decodes {
		decode([]byte("\xc0"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		took := allocated(func() {
			for _, decode := range decodes {
				decode(data)
			}
		})
		if took > uint64(2_000_000+20_000*len(data)) {
			t.Errorf("%x took %d bytes", data, took)
		}
		p, err := New[product]().Decode(data)
		if err != nil {
			return
		}
		// What could be read can be written and read again.
		again, err := New[product]().Append(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := New[product]().Decode(again)
		if err != nil {
			t.Fatalf("%x: %v", again, err)
		}
		third, err := New[product]().Append(nil, q)
		if err != nil || len(p.Attributes) < 2 && !bytes.Equal(third, again) {
			t.Errorf("%x and %x, %v", again, third, err)
		}
	})
}
