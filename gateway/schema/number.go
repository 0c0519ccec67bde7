package schema

import (
	"math/big"
	"strconv"
	"strings"
)

// Bounds of numbers: any that a program can hold as a double fits. JSON itself has none, and to work with 1e999999999
// takes a node's memory.
const (
	maxNumber   = 400 // characters
	maxExponent = 400
)

// setNumber makes v the number that text says by JSON's grammar. ok is false where it is out of bounds.
func (v *value) setNumber(text string) (ok bool) {
	v.kind = isNumber
	digits, exp := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		var err error
		if exp, err = strconv.Atoi(text[i+1:]); err != nil || exp < -maxExponent || exp > maxExponent {
			return false
		}
		digits = text[:i]
	}
	if len(text) > maxNumber {
		return false
	}
	digits, below := strings.CutPrefix(digits, "-")
	if whole, fraction, ok := strings.Cut(digits, "."); ok {
		digits, exp = whole+fraction, exp-len(fraction)
	}
	digits = strings.TrimLeft(digits, "0")
	v.text = strings.TrimRight(digits, "0")
	if v.text != "" { // of 0 there is one
		v.yes, v.exp = below, int16(exp+len(digits)-len(v.text))
	}
	return true
}

// number writes v as JSON does, without an exponent where that is no longer than most doubles.
func (v *value) number() string {
	sign := ""
	if v.yes {
		sign = "-"
	}
	const most = 20 // zeros
	switch point := len(v.text) + int(v.exp); {
	case v.text == "":
		return "0"
	case v.exp >= 0 && v.exp <= most:
		return sign + v.text + strings.Repeat("0", int(v.exp))
	case v.exp < 0 && point > 0:
		return sign + v.text[:point] + "." + v.text[point:]
	case v.exp < 0 && point >= -most:
		return sign + "0." + strings.Repeat("0", -point) + v.text
	}
	return sign + v.text + "e" + strconv.Itoa(int(v.exp))
}

func (v *value) isInteger() bool { return v.exp >= 0 }

func compareNumbers(a, b *value) int {
	if a.sign() != b.sign() {
		return a.sign() - b.sign()
	}
	d := len(a.text) + int(a.exp) - len(b.text) - int(b.exp)
	if d == 0 {
		d = strings.Compare(a.text, b.text)
	}
	return d * a.sign()
}

func (v *value) sign() int {
	switch {
	case v.text == "":
		return 0
	case v.yes:
		return -1
	}
	return 1
}

// isMultiple reports whether v is a whole number of times unit, which is above 0.
func (v *value) isMultiple(unit *value) bool {
	shift := int64(v.exp) - int64(unit.exp)
	switch {
	case v.text == "":
		return true
	case shift < 0: // its last digit, which is no zero, is behind that of all multiples
		return false
	}
	const small = 18 // digits, which int64 holds
	if len(v.text)+int(shift) <= small && len(unit.text) <= small {
		n, _ := strconv.ParseInt(v.text+strings.Repeat("0", int(shift)), 10, 64) // digits alone
		of, _ := strconv.ParseInt(unit.text, 10, 64)
		return n%of == 0
	}
	n, _ := new(big.Int).SetString(v.text, 10)
	of, _ := new(big.Int).SetString(unit.text, 10)
	zeros := new(big.Int).Exp(big.NewInt(10), big.NewInt(shift), of)
	return n.Mod(n.Mul(n, zeros), of).Sign() == 0
}
