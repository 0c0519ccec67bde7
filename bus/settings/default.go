package settings

import "cmp"

// Default gives a field that is zero, or below, its value.
func Default[T cmp.Ordered](field *T, value T) {
	var zero T
	if *field <= zero {
		*field = value
	}
}
