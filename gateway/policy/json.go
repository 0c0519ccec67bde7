package policy

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/traits"
)

const (
	maxNesting = 1000    // lists and maps in one another, in a body and in a result
	maxValues  = 100_000 // in a body: one may take 300 bytes of memory where it takes 5 of the body
)

// parseJSON reads one JSON text (RFC 8259) as CEL takes it: map[string]any, []any, string, bool and
// nil. A number of digits alone is an int64, or a uint64 if it is too large for that, so that none
// of them is lost; one that is larger still is an error. A number with a fraction or an exponent is
// a float64. Of a key that stands twice, the last counts.
func parseJSON(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, errNotUTF8
	}
	if len(text) > maxValues && values(text) > maxValues {
		return nil, errValues
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil, errNotJSON
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) { // more than one
		return nil, errNotJSON
	}
	return typed(v, 0)
}

// values counts what begins a value or follows one, which is about how many there are.
func values(text []byte) (n int) {
	inString, escaped := false, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == '[' || c == '{'):
			n++
		}
	}
	return n
}

// typed puts numbers for the texts of numbers in v.
func typed(v any, depth int) (_ any, err error) {
	if depth > maxNesting {
		return nil, errDeep
	}
	switch v := v.(type) {
	case json.Number:
		return number(string(v))
	case []any:
		for i := range v {
			if v[i], err = typed(v[i], depth+1); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = typed(v[key], depth+1); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func number(s string) (any, error) {
	if strings.ContainsAny(s, ".eE") || s == "-0" { // which is no int
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, errNumber
		}
		return f, nil
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i, nil
	}
	u, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return nil, errNumber
	}
	return u, nil
}

// jsonWriter writes values of CEL as JSON: keys sorted, nothing escaped that need not be.
type jsonWriter struct {
	out   []byte
	limit int // bytes of out
}

// write appends v, which is a value of CEL or one that parseJSON has made.
func (w *jsonWriter) write(v any, depth int) error {
	if len(w.out) > w.limit {
		return errTooLarge // in time: a list may hold itself many times over
	}
	if depth > maxNesting {
		return errDeep
	}
	switch v := v.(type) {
	case nil, types.Null:
		w.out = append(w.out, "null"...)
	case bool:
		w.out = strconv.AppendBool(w.out, v)
	case types.Bool:
		w.out = strconv.AppendBool(w.out, bool(v))
	case int64:
		w.out = strconv.AppendInt(w.out, v, 10)
	case types.Int:
		w.out = strconv.AppendInt(w.out, int64(v), 10)
	case uint64:
		w.out = strconv.AppendUint(w.out, v, 10)
	case types.Uint:
		w.out = strconv.AppendUint(w.out, uint64(v), 10)
	case float64:
		return w.float(v)
	case types.Double:
		return w.float(float64(v))
	case string:
		return w.text(v)
	case types.String:
		return w.text(string(v))
	case types.Bytes:
		return w.text(base64.StdEncoding.EncodeToString(v)) // as CEL's own conversion to JSON
	case []any:
		return w.list(slices.Values(v), depth)
	case map[string]any:
		return w.object(slices.Sorted(maps.Keys(v)), func(key string) any { return v[key] }, depth)
	case traits.Lister:
		return w.list(elements(v), depth)
	case traits.Mapper:
		if parsed, ok := v.Value().(map[string]any); ok {
			return w.write(parsed, depth)
		}
		keys, err := keysOf(v)
		if err != nil {
			return err
		}
		return w.object(keys, func(key string) any { return v.Get(types.String(key)) }, depth)
	default:
		return errNoJSON
	}
	return nil
}

func (w *jsonWriter) list(values iter.Seq[any], depth int) error {
	w.out = append(w.out, '[')
	first := true
	for v := range values {
		if !first {
			w.out = append(w.out, ',')
		}
		first = false
		if err := w.write(v, depth+1); err != nil {
			return err
		}
	}
	w.out = append(w.out, ']')
	return nil
}

func (w *jsonWriter) object(keys []string, value func(key string) any, depth int) error {
	w.out = append(w.out, '{')
	for i, key := range keys {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if err := w.text(key); err != nil {
			return err
		}
		w.out = append(w.out, ':')
		if err := w.write(value(key), depth+1); err != nil {
			return err
		}
	}
	w.out = append(w.out, '}')
	return nil
}

// float writes the shortest number that reads as f; without an exponent only where a reader that
// takes it for an int has the same number.
func (w *jsonWriter) float(f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return errNoJSON
	}
	format := byte('f')
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1<<53) {
		format = 'e'
	}
	w.out = strconv.AppendFloat(w.out, f, format, -1, 64)
	return nil
}

// escapes are those that RFC 8259 section 7 asks for, and no others.
var escapes = func() *strings.Replacer {
	pairs := []string{`"`, `\"`, `\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`}
	for c := range ' ' {
		pairs = append(pairs, string(c), fmt.Sprintf(`\u%04x`, c))
	}
	return strings.NewReplacer(pairs...)
}()

// text writes a string.
func (w *jsonWriter) text(s string) error {
	if !utf8.ValidString(s) {
		return errText
	}
	w.out = append(append(append(w.out, '"'), escapes.Replace(s)...), '"')
	return nil
}

func elements(list traits.Lister) iter.Seq[any] {
	return func(yield func(any) bool) {
		for it := list.Iterator(); it.HasNext() == types.True; {
			if !yield(it.Next()) {
				return
			}
		}
	}
}

// keysOf returns the keys of a map in order. Those of JSON are text.
func keysOf(m traits.Mapper) (keys []string, err error) {
	for it := m.Iterator(); it.HasNext() == types.True; {
		key, ok := it.Next().(types.String)
		if !ok {
			return nil, errNoJSON
		}
		keys = append(keys, string(key))
	}
	slices.Sort(keys)
	return keys, nil
}
