package redisstore

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strings"
	"time"
)

// maxKey is up to where a key of the cache is one of Redis as it is.
const maxKey = 512

// A value and its lease are two keys of Redis, which one script must be able to
// use: on a Cluster their hash tags have to be the same. Redis takes for the tag
// what is between the first "{" and the next "}", if that is not empty, and
// otherwise the whole key.
//
//	of the cache     value            lease
//	a                the same         {a}:lease
//	a:{b}:c          the same         {b}:lease:a:{b}:c
//	all others       {hash}:hash      {hash}:hash:lease
//
// The others are those that are empty or long, begin with "{", or have a brace
// but no tag. So no value has the key of a lease, which begins with "{", and no two
// leases have the same: what stands after the first "}" tells which line it is of.

// valueKey is where the value of a key of the cache is.
func valueKey(key string) string {
	if _, ok := tagOf(key); ok {
		return key
	}
	return hashed(key)
}

// leaseKey is where its lease is.
func leaseKey(key string) string {
	tag, ok := tagOf(key)
	switch {
	case !ok:
		return hashed(key) + ":lease"
	case len(tag) == len(key):
		return "{" + key + "}:lease"
	}
	return "{" + tag + "}:lease:" + key
}

// tagOf returns the hash tag of a key that needs no hashing.
func tagOf(key string) (tag string, ok bool) {
	if key == "" || len(key) > maxKey || key[0] == '{' {
		return "", false
	}
	_, rest, open := strings.Cut(key, "{")
	if !open {
		return key, strings.IndexByte(key, '}') < 0
	}
	tag, _, closed := strings.Cut(rest, "}")
	return tag, closed && tag != ""
}

func hashed(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "{" + hex.EncodeToString(sum[:]) + "}:hash"
}

// ceil is a time in whole milliseconds, and not none: Redis knows no less.
func ceil(ttl time.Duration) time.Duration {
	const ms = time.Millisecond
	if over := ttl % ms; over > 0 && ttl < math.MaxInt64-ms {
		ttl += ms - over
	}
	return max(ttl, ms)
}
