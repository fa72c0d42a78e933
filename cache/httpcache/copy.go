package httpcache

import "io"

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
