package settings

import "cmp"

// Default sets a field that is zero or below to value.
func Default[T cmp.Ordered](field *T, value T) {
	var zero T
	if *field <= zero {
		*field = value
	}
}
