// Package nearest finds what a mistyped word was meant to be.
package nearest

import "strings"

// Word returns the candidate that a mistyped word most likely means, or "" when none is near: one that
// has nothing of the word is not.
func Word(word string, candidates []string) string {
	best, bound := "", min(max(2, len(word)/3)+1, len(word))
	for _, c := range candidates {
		if d := distance(Plain(word), Plain(c)); d < bound {
			best, bound = c, d
		}
	}
	return best
}

// Plain drops what people write now one way and now the other.
func Plain(s string) string {
	return strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(s))
}

// distance counts the letters to insert, delete or replace to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		above := row[0] // of the letter before
		row[0] = i + 1
		for j := range len(b) {
			replaced := above
			if a[i] != b[j] {
				replaced++
			}
			above = row[j+1]
			row[j+1] = min(above+1, row[j]+1, replaced)
		}
	}
	return row[len(b)]
}
