package memcachestore

import (
	"crypto/sha256"
	"encoding/base64"
	"math"
	"time"
)

// maxPlain is how long a key may be that is stored as it is: memcached takes 250
// bytes, and the name of a lease is longer than its key.
const maxPlain = 240

// nameOf is under what a key is stored. No plain name begins with "~", so no two
// keys have the same one.
func nameOf(key string) string {
	if plain(key) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "~v" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// leaseOf is the name of the lease on the value of that name.
func leaseOf(name string) string { return "~l" + name }

func namesOf(keys []string) []string {
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = nameOf(key)
	}
	return names
}

// plain says whether memcached takes the key. What ends a word for it, or a line,
// is below 0x21; the rest of UTF-8 is above 0x7f.
func plain(key string) bool {
	if key == "" || len(key) > maxPlain || key[0] == '~' {
		return false
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] == 0x7f {
			return false
		}
	}
	return true
}

// month is up to where memcached takes a number of seconds for a span; above, it
// is a Unix time.
const month = 30 * 24 * 60 * 60

// expiry is a TTL for memcached. Its clock ticks once a second, and an item of one
// second set just before a tick is gone at once; hence one more.
func expiry(ttl time.Duration, now func() time.Time) int32 {
	seconds := int64(max(ttl, 1)-1)/int64(time.Second) + 2
	if seconds > month {
		return int32(min(now().Unix()+seconds, math.MaxInt32)) // gomemcache has no later time than 2038
	}
	return int32(seconds)
}
