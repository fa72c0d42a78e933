// Package ratelimittest tests ratelimit with code of others: what it sends must
// be read by a parser that knows nothing of it.
package ratelimittest
