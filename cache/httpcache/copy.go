package httpcache

import (
	"errors"
	"io"
	"net/http"
	"reflect"
)

// sniffed is how much of a body is copied by hand before the rest is left to what is
// below.
const sniffed = 512

type onlyWriter struct{ io.Writer }

// copyFrom copies a body. Where nothing has been decided yet, the first byte does, and
// a source that fails before it leaves the handler free to say something else. Rest is
// where all the others go then.
func copyFrom(src io.Reader, w io.Writer, decided bool, rest func() io.Writer) (int64, error) {
	var first int64
	if !decided {
		n, err := io.Copy(onlyWriter{w}, io.LimitReader(src, sniffed))
		if err != nil || n < sniffed {
			return n, err //nolint:wrapcheck // as io.Copy has it
		}
		first = n
	}
	n, err := io.Copy(rest(), src)
	return first + n, err //nolint:wrapcheck // as io.Copy has it
}

// limited is what http.MaxBytesReader returns.
var limited = reflect.TypeOf(http.MaxBytesReader(nil, nil, 0))

// beyondLimit says whether a handler has put an http.MaxBytesReader in place of the
// body, which has come to its limit. It tells net/http's own writer, by a method that
// nobody else can have; all that others can do is ask it.
func beyondLimit(body io.Reader) bool {
	if reflect.TypeOf(body) != limited {
		return false
	}
	n, err := body.Read(nil) // of nothing: it says what it has said before
	_, beyond := errors.AsType[*http.MaxBytesError](err)
	return n == 0 && beyond
}
