package cache

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// keyForm returns how keys of this type are written and read: a string as it is,
// a number in decimals, of arrays and structs one part after another. No two keys
// have the same form.
func keyForm[K comparable]() (encode func(K) string, decode func(string) (K, error), err error) {
	t := reflect.TypeFor[K]()
	if t.Kind() == reflect.String {
		return func(k K) string { return reflect.ValueOf(&k).Elem().String() }, func(s string) (k K, err error) {
			reflect.ValueOf(&k).Elem().SetString(s)
			return k, nil
		}, nil
	}
	if !writable(t) {
		return nil, nil, fmt.Errorf("seawall/cache: Shared.EncodeKey and Shared.DecodeKey must be set for keys of type %v", t)
	}
	encode = func(k K) string {
		return string(appendKey(make([]byte, 0, 32), reflect.ValueOf(&k).Elem()))
	}
	return encode, func(s string) (k K, err error) {
		rest, err := parseKey(s, reflect.ValueOf(&k).Elem())
		if err == nil && rest != "" {
			err = errKeyForm
		}
		return k, err
	}, nil
}

// writable says whether each value of a type has one form, and can be made from
// it.
func writable(t reflect.Type) bool {
	switch t.Kind() { //nolint:exhaustive // all others do not
	case reflect.String, reflect.Bool,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return true
	case reflect.Array:
		return writable(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if !f.IsExported() || !writable(f.Type) {
				return false
			}
		}
		return true
	}
	return false
}

func appendKey(b []byte, v reflect.Value) []byte {
	switch v.Kind() { //nolint:exhaustive // writable has seen to that
	case reflect.String:
		return strconv.AppendQuote(b, v.String())
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case reflect.Array:
		for i := range v.Len() {
			b = appendKey(separate(b, i), v.Index(i))
		}
		return b
	case reflect.Struct:
		for i := range v.NumField() {
			b = appendKey(separate(b, i), v.Field(i))
		}
		return b
	}
	if v.CanInt() {
		return strconv.AppendInt(b, v.Int(), 10)
	}
	return strconv.AppendUint(b, v.Uint(), 10)
}

func separate(b []byte, i int) []byte {
	if i == 0 {
		return b
	}
	return append(b, ',')
}

var errKeyForm = errors.New("seawall/cache: not a key as this process writes it")

// parseKey reads what appendKey wrote, and returns what follows.
func parseKey(s string, v reflect.Value) (rest string, err error) {
	switch v.Kind() { //nolint:exhaustive // writable has seen to that
	case reflect.Array:
		return parseParts(s, v.Len(), v.Index)
	case reflect.Struct:
		return parseParts(s, v.NumField(), v.Field)
	case reflect.String:
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return s, errKeyForm
		}
		text, err := strconv.Unquote(quoted)
		v.SetString(text)
		return s[len(quoted):], err
	}
	word, _, _ := strings.Cut(s, ",")
	switch {
	case v.Kind() == reflect.Bool:
		v.SetBool(word == "true")
		if word != "true" && word != "false" {
			err = errKeyForm
		}
	case v.CanInt():
		var n int64
		n, err = strconv.ParseInt(word, 10, v.Type().Bits())
		v.SetInt(n)
	default:
		var n uint64
		n, err = strconv.ParseUint(word, 10, v.Type().Bits())
		v.SetUint(n)
	}
	return s[len(word):], err
}

func parseParts(s string, n int, part func(int) reflect.Value) (rest string, err error) {
	for i := range n {
		if i > 0 {
			if !strings.HasPrefix(s, ",") {
				return s, errKeyForm
			}
			s = s[1:]
		}
		if s, err = parseKey(s, part(i)); err != nil {
			return s, err
		}
	}
	return s, nil
}
