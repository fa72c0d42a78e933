// Package protocodec writes and reads the values of package cache as Protocol
// Buffers, by google.golang.org/protobuf.
//
//	codec := protocodec.New[*shop.Product]()
//
// V is the pointer type that protoc generates. Fields may come and go while several
// versions of a program share an L2: fields that one does not know are kept and
// written again.
//
// Protocol Buffers have no form for no message: a nil V is an error of Append, and
// what is not there is better told to the Cache as not found.
package protocodec
