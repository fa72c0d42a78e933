package httpcache

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Response is what is kept of one URL, or of one variant of it. What is inside is
// the Cache's; the type is there for engines of [cache.Cache].
type Response struct {
	kind   kind
	status int
	fields []field
	gone   []string // taken away from what stood there before
	body   []byte
	times  times
	date   time.Time
	etag   string
	tags   []string
	own    []string // Seawall-Cache-Control, which does not go out
	length []string // Content-Length

	// Of a kind that varies: by which fields, canonical and sorted, and what makes
	// its variants' keys differ from those of another time.
	names    []string
	gen      string
	variants variants

	pause atomic.Int64 // no new try before, after a failure
	face  atomic.Pointer[face]
}

type kind uint8

const (
	whole  kind = iota // a response to show
	varies             // variants are kept under keys of their own
	passes             // what came was not to be kept: nobody waits for anybody
	wants              // a crowd asks with conditions: next time without
)

// face is what a hit says of itself. It changes once a second.
type face struct {
	second int64
	age    []string
	status []string
}

// variants are those of one URL that are known here, oldest first, by the hashes in
// their keys.
type variants struct {
	mu     sync.Mutex
	hashes []hashSum
}

// add puts a variant at the end.
func (v *variants) add(sum hashSum) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.take(sum)
	v.hashes = append(v.hashes, sum)
}

// oldest returns the one that is to go first so that there is room for one more.
func (v *variants) oldest(most int) (sum hashSum, full bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.hashes) < most {
		return sum, false
	}
	return v.hashes[0], true
}

func (v *variants) remove(sum hashSum) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.take(sum)
}

func (v *variants) take(sum hashSum) {
	if i := slices.Index(v.hashes, sum); i >= 0 {
		v.hashes = slices.Delete(v.hashes, i, i+1)
	}
}

// derive sets what follows from the fields.
func (p *Response) derive() {
	p.etag = first(get(p.fields, "Etag"))
	p.length = []string{strconv.Itoa(len(p.body))}
	if date, ok := parseDate(first(get(p.fields, "Date"))); ok {
		p.date = date
	}
}

// validators says whether it can be asked about.
func (p *Response) validators() bool {
	return p.etag != "" || get(p.fields, "Last-Modified") != nil
}

// write puts the fields of a stored response into the header of an answer.
func (p *Response) write(header http.Header) {
	for i := range p.fields {
		f := &p.fields[i]
		if f.adds {
			header[f.name] = append(slices.Clip(header[f.name]), f.values...)
			continue
		}
		header[f.name] = f.values
	}
	for _, name := range p.gone {
		delete(header, name)
	}
}

// bodyless are statuses without a body, and without Content-Length.
func bodyless(status int) bool {
	return status < 200 || status == http.StatusNoContent || status == http.StatusNotModified
}

// sizeOf returns what tells what a response takes on the heap, with its key.
func sizeOf(maxVariants int) func(Key, *Response) int64 {
	const itself = 416 // Response, and half of its face: not all are hit
	return func(key Key, p *Response) int64 {
		n := int64(itself) + int64(cap(p.body)) + int64(cap(p.fields))*48
		for i := range p.fields {
			n += 16
			for _, v := range p.fields[i].values {
				n += 16 + str(v)
			}
		}
		for _, list := range [...][]string{p.gone, p.names, p.tags, p.own} {
			for _, v := range list {
				n += 16 + str(v)
			}
		}
		if p.kind == varies { // they come later
			n += int64(maxVariants * len(hashSum{}))
		}
		return n + str(key.Scheme) + str(key.Host) + str(key.Path) + str(key.Query) + str(key.Vary)
	}
}

// str is what a string takes beyond its header.
func str(s string) int64 { return (int64(len(s)) + 15) &^ 15 }
