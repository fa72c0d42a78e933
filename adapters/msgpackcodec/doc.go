// Package msgpackcodec writes and reads the values of package cache as MessagePack,
// by github.com/vmihailenco/msgpack/v5.
//
//	codec := msgpackcodec.New[Product]()
//
// A product that has 506 bytes as JSON has 420, and takes 3.3 us to read instead of
// 7.8, and 1.9 to write instead of 2.7. Structs are maps from the names of their fields, so that fields may come and
// go while several versions of a program share an L2; the tags are those of
// msgpack (`msgpack:"name,omitempty"`), not those of JSON.
//
// # What is read is checked first
//
// The decoder believes the lengths it reads: five bytes that announce four billion
// elements make it ask for as much memory, and a value of a few MiB that is nested
// deeply enough ends the process for want of stack. So Decode goes through the bytes
// once before: what announces more than there is, is nested deeper than 1000 levels
// or has something behind it is an error. Memory is then proportional to the bytes:
// at worst the size of the largest element, for each byte.
//
// Two things are up to the type V. Decode panics on a map whose keys are of an
// interface type and which holds keys that cannot be compared; and methods such as
// DecodeMsgpack see what has been checked, but do what they do.
//
// Decode does not use the decoder's preallocation, as msgpack.Unmarshal does: it
// starts a goroutine for each type that a pointer points to, and never ends it.
package msgpackcodec
