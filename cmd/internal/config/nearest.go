package config

import "strings"

// Nearest returns the candidate that a mistyped word most likely means, or "" when none is near: one that
// has nothing of the word is not.
func Nearest(word string, candidates []string) string {
	best, bound := "", min(max(2, len(word)/3)+1, len(word))
	for _, c := range candidates {
		if d := distance(plain(word), plain(c)); d < bound {
			best, bound = c, d
		}
	}
	return best
}

// plain drops what people write now one way and now the other.
func plain(s string) string {
	return strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(s))
}

// distance counts the letters to insert, delete, replace or swap with their neighbour to make b
// of a (Damerau and Levenshtein, the "optimal string alignment" form).
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, above, above2 := rows[i%3], rows[(i+2)%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			differ := 1
			if a[i-1] == b[j-1] {
				differ = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+differ)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], above2[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
