package httpcache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// mostTags is how many tags one response may have in the store, with those by which
// it is purged as part of a prefix; one more is left for that of its URL.
const mostTags = 63

// tagsOf reads the tags that a handler gives its answer.
func (h *Cache) tagsOf(header http.Header) []string {
	var tags []string
	for _, name := range h.cfg.TagFields {
		for _, line := range header[name] {
			for tag := range strings.FieldsFuncSeq(line, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' }) {
				tags = append(tags, strings.Clone(tag))
			}
		}
	}
	return tags
}

// The tags in the store begin with a letter that says of what kind they are.
func userTag(tag string) string {
	if len(tag) < 64 {
		return "t" + tag
	}
	return digest('h', tag)
}

// digest is short, and says all the same. Each answer that is kept has some.
func digest(mark byte, parts ...string) string {
	sum := sumOf(parts...)
	out := [33]byte{mark}
	hex.Encode(out[1:], sum[:16])
	return string(out[:])
}

func sumOf(parts ...string) [sha256.Size]byte {
	b := make([]byte, 0, 256)
	for _, p := range parts {
		b = append(strconv.AppendInt(b, int64(len(p)), 10), ':')
		b = append(b, p...)
	}
	return sha256.Sum256(b)
}

func urlTag(k *Key) string { return digest('u', k.Scheme, k.Host, k.Path, k.Query) }

// prefixNames is how many tags there are for the prefixes of one depth. Anybody can
// make up paths and hosts: with a tag for each, those of pages in use would soon be
// forgotten. Prefixes that share one fall together. None shares it with what is above
// or below it, so that the purge of a shop is never that of its whole host.
const prefixNames = 256

// prefixTag is the tag of a prefix, the same in all processes.
func prefixTag(depth int, scheme, host, path string) string {
	const digits = "0123456789abcdef"
	b := sumOf(scheme, host, path)[0]
	return string([]byte{'p', digits[depth-1], digits[b>>4], digits[b&15]})
}

// storeTags are all tags of a response in the store: its own, those of the prefixes
// of its path, and where fields of the request are in its key, that of its URL.
func (h *Cache) storeTags(primary *Key, tags []string) []string {
	out := make([]string, 0, len(tags)+h.cfg.PurgeDepth+1)
	for _, tag := range tags {
		out = append(out, userTag(tag))
	}
	for i, depth := 0, 0; depth < h.cfg.PurgeDepth; depth++ {
		n := strings.IndexByte(primary.Path[i:], '/')
		if n < 0 {
			break
		}
		i += n + 1
		out = append(out, prefixTag(depth+1, primary.Scheme, primary.Host, primary.Path[:i]))
	}
	if primary.Vary != "" {
		out = append(out, urlTag(primary))
	}
	return out
}

// Purge forgets URLs, with all their variants. They are absolute, or the error says
// so. Their scheme is the one that this cache has seen: behind a proxy that ends TLS
// that is https only with Config.Scheme, without it the purge of a https URL finds
// nothing and is no error.
func (h *Cache) Purge(ctx context.Context, urls ...string) error {
	keys := make([]Key, len(urls))
	for i, target := range urls {
		k, ok := h.keyOfURL(target, nil)
		if !ok {
			return fmt.Errorf("seawall/httpcache: Purge: a URL must be absolute (got %.200q)", target)
		}
		keys[i] = k
	}
	return errors.Join(h.delete(ctx, keys...), h.told(ctx, Purge{URLs: urls}))
}

// PurgeTags forgets all responses that have one of the tags.
func (h *Cache) PurgeTags(ctx context.Context, tags ...string) error {
	names := make([]string, len(tags))
	for i, tag := range tags {
		if tag == "" {
			return errors.New("seawall/httpcache: PurgeTags: a tag must not be empty")
		}
		names[i] = userTag(tag)
	}
	return errors.Join(h.invalidateTags(ctx, names), h.told(ctx, Purge{Tags: tags}))
}

// PurgePrefix forgets all responses below a URL, which ends with a slash and has at
// most PurgeDepth segments: "https://example.org/products/". With it go those below
// one in 256 of the other prefixes of as many segments, by chance but always the same
// ones: strangers can make up paths, and what is known of them is bounded. Where that
// is too many, or purges are frequent, let handlers set a tag, and use PurgeTags.
func (h *Cache) PurgePrefix(ctx context.Context, prefix string) error {
	k, ok := h.keyOfURL(prefix, nil)
	depth := strings.Count(k.Path, "/")
	if !ok || k.Query != "" || !strings.HasSuffix(k.Path, "/") || depth > h.cfg.PurgeDepth {
		return fmt.Errorf("seawall/httpcache: PurgePrefix: want an absolute URL that ends with a slash, with at most PurgeDepth (%d) in its path (got %.200q)",
			h.cfg.PurgeDepth, prefix)
	}
	return errors.Join(h.invalidateTags(ctx, []string{prefixTag(depth, k.Scheme, k.Host, k.Path)}), h.told(ctx, Purge{Prefix: prefix}))
}

// Clear forgets everything.
func (h *Cache) Clear(ctx context.Context) error {
	h.stats.purges.Add(1)
	err := h.store.Clear(ctx)
	h.voidAll()
	if err != nil {
		err = fmt.Errorf("seawall/httpcache: %w", err)
	}
	return errors.Join(err, h.told(ctx, Purge{All: true}))
}

func (h *Cache) told(ctx context.Context, p Purge) error {
	if h.cfg.OnPurge == nil {
		return nil
	}
	if err := h.cfg.OnPurge(ctx, p); err != nil {
		return fmt.Errorf("seawall/httpcache: OnPurge: %w", err)
	}
	return nil
}

func (h *Cache) invalidateTags(ctx context.Context, tags []string) error {
	if len(tags) == 0 {
		return nil
	}
	h.stats.purges.Add(uint64(len(tags)))
	err := h.store.InvalidateTags(ctx, tags...)
	h.voidAll()
	if err != nil {
		return fmt.Errorf("seawall/httpcache: %w", err)
	}
	return nil
}

// delete forgets what is stored for URLs. What the handler is asked for already is
// not kept.
func (h *Cache) delete(ctx context.Context, primaries ...Key) error {
	var tags []string
	for i := range primaries {
		primaries[i].Vary = ""
		mu := h.writing(&primaries[i])
		mu.Lock()
		h.slot(&primaries[i]).Store(h.clock.Exact())
		mu.Unlock()
		if h.cfg.Shared.L2 != nil || h.mayBeKeyed(&primaries[i]) {
			tags = append(tags, urlTag(&primaries[i]))
		}
	}
	h.stats.purges.Add(uint64(len(primaries)))
	err := h.store.Delete(ctx, primaries...)
	if len(tags) > 0 {
		err = errors.Join(err, h.store.InvalidateTags(ctx, tags...))
	}
	for i := range primaries {
		h.voidFlights(&primaries[i])
	}
	if err != nil {
		return fmt.Errorf("seawall/httpcache: %w", err)
	}
	return nil
}

// voidFlights: who comes from now on does not wait for what was asked before.
func (h *Cache) voidFlights(url *Key) {
	s := h.shard(url)
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.byKey {
		if k.Path == url.Path && k.Query == url.Query && k.Host == url.Host && k.Scheme == url.Scheme {
			delete(s.byKey, k)
		}
	}
}

// voidAll is for what is known by its answer alone, such as a tag: it may be that of
// any flight.
func (h *Cache) voidAll() {
	for i := range h.flights {
		s := &h.flights[i]
		s.mu.Lock()
		clear(s.byKey)
		s.mu.Unlock()
	}
}

// unsafe passes a request on that changes something, and forgets what it changes.
func (h *Cache) unsafe(w http.ResponseWriter, r *http.Request, next http.Handler) {
	x := &exchange{r: r, next: next, primary: h.keyOf(r), began: h.clock.Exact()}
	rec := &recorder{h: h, w: w, x: x, fwd: fwdMethod, unsafe: true, declared: -1}
	rec.run(r.Context())
}

// invalidate forgets the URL of an unsafe request that was not refused, and those
// that its answer names, of the same origin (RFC 9111, 4.4).
func (h *Cache) invalidate(x *exchange, status int, header http.Header) {
	if status < 200 || status >= 400 && h.on(ruleOnlySuccess) || !h.on(ruleInvalidate) {
		return
	}
	base := x.primary
	keys := []Key{base}
	if h.on(ruleInvalidateOthers) {
		for _, name := range [...]string{"Location", "Content-Location"} {
			if target := first(header[name]); target != "" {
				k, ok := h.keyOfURL(target, &base)
				if ok && (k.Scheme == base.Scheme && k.Host == base.Host || !h.on(ruleSameOrigin)) {
					keys = append(keys, k)
				}
			}
		}
	}
	h.stats.invalidated.Add(uint64(len(keys)))
	_ = h.delete(context.WithoutCancel(x.r.Context()), keys...) // closed: then nothing is kept anyway
}
