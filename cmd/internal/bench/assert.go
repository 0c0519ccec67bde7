package bench

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stompgw/stompgw/cmd/internal/config"
)

// assertion is what a number of the report has to be, such as p99<50ms.
type assertion struct {
	text, name string
	op         string
	value      float64
}

// parseAssertions reads a list with commas between.
func parseAssertions(text string) (list []assertion, err error) {
	for one := range strings.SplitSeq(text, ",") {
		one = strings.TrimSpace(one)
		a, err := parseAssertion(one)
		if err != nil {
			return nil, fmt.Errorf("--assert %q: %w", one, err)
		}
		list = append(list, a)
	}
	return list, nil
}

func parseAssertion(text string) (assertion, error) {
	at := strings.IndexAny(text, "<>=")
	if at < 0 {
		return assertion{}, errors.New("want a number of the report, one of < <= = >= >, and a value, such as p99<50ms or lost=0")
	}
	a := assertion{text: text, name: strings.TrimSpace(text[:at]), op: text[at : at+1]}
	rest := text[at+1:]
	if after, ok := strings.CutPrefix(rest, "="); ok && a.op != "=" {
		a.op, rest = a.op+"=", after
	}
	rest = strings.TrimSpace(rest)
	names := new(report).numbers()
	if _, exists := names[a.name+"_ms"]; exists {
		a.name += "_ms"
		d, err := config.ParseDuration(rest)
		a.value = float64(d) / 1e6
		return a, err
	}
	if _, exists := names[a.name]; !exists {
		return a, fmt.Errorf("the report has no number %q: it has %s", a.name,
			strings.ReplaceAll(strings.Join(slices.Sorted(maps.Keys(names)), ", "), "_ms", ""))
	}
	var err error
	if a.value, err = strconv.ParseFloat(rest, 64); err != nil {
		return a, fmt.Errorf("want a number after %s", a.op)
	}
	return a, nil
}

// holds returns nil, or says in what the report misses a.
func (a assertion) holds(r *report) error {
	known := r.numbers()[a.name]
	if known == nil {
		return fmt.Errorf("%s: not known; nothing was delivered, or the number needs --pid or --rate", a.text)
	}
	x := *known
	switch {
	case a.op == "<" && x < a.value, a.op == "<=" && x <= a.value, a.op == "=" && x == a.value,
		a.op == ">=" && x >= a.value, a.op == ">" && x > a.value:
		return nil
	}
	unit := ""
	if strings.HasSuffix(a.name, "_ms") {
		unit = " ms"
	}
	return fmt.Errorf("%s does not hold: it is %s%s", a.text, strconv.FormatFloat(x, 'g', 6, 64), unit)
}
