package output

import "unicode"

// width returns how many character cells of a terminal a printable text takes.
func width(s string) (cells int) {
	for _, r := range s {
		cells += runeWidth(r)
	}
	return cells
}

// emojiStyle asks for the character before it as a picture, which takes one cell more than as text.
const emojiStyle = '\ufe0f'

func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case r == emojiStyle:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me), r >= 0x1160 && r <= 0x11ff: // those are the ends of Korean syllables
		return 0
	case isWide(r):
		return 2
	}
	return 1
}

// isWide reports whether a character takes two cells: East_Asian_Width W and F of Unicode 16, by the
// block rather than by the character where nearly all of one are wide.
func isWide(r rune) bool {
	switch {
	case r < 0x1100:
		return false
	case r < 0x2e80:
		return r <= 0x115f || isEmoji(r) // the beginnings of Korean syllables
	case r == 0x303f:
		return false // half a space
	}
	return r <= 0xa4cf || // Chinese, Japanese
		r >= 0xa960 && r <= 0xa97f || r >= 0xac00 && r <= 0xd7a3 || // Korean
		r >= 0xf900 && r <= 0xfaff || r >= 0xfe10 && r <= 0xfe19 || r >= 0xfe30 && r <= 0xfe6f || // forms of Chinese
		r >= 0xff01 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6 || // Latin in full width
		r >= 0x16fe0 && r <= 0x18dff || r >= 0x1aff0 && r <= 0x1b2ff || r >= 0x1d300 && r <= 0x1d37f || // Tangut, Kana, symbols
		r == 0x1f004 || r == 0x1f0cf || r == 0x1f18e || r >= 0x1f191 && r <= 0x1f19a || r >= 0x1f200 && r <= 0x1f265 ||
		r >= 0x1f300 && r <= 0x1f64f || r >= 0x1f680 && r <= 0x1f6ff || r >= 0x1f7e0 && r <= 0x1f7f0 ||
		r >= 0x1f900 && r <= 0x1faff || // emoji
		r >= 0x20000 && r <= 0x3fffd // Chinese
}

// isEmoji reports whether a symbol below U+2E80 is shown as a picture without being asked to.
func isEmoji(r rune) bool {
	switch r {
	case '⌚', '⌛', '\u2329', '\u232a', '⏩', '⏪', '⏫', '⏬', '⏰', '⏳', '◽', '◾', '☔', '☕', '♿', '⚓', '⚡', '⚪', '⚫', '⚽', '⚾',
		'⛄', '⛅', '⛎', '⛔', '⛪', '⛲', '⛳', '⛵', '⛺', '⛽', '✅', '✊', '✋', '✨', '❌', '❎', '❓', '❔', '❕', '❗',
		'➕', '➖', '➗', '➰', '➿', '⬛', '⬜', '⭐', '⭕':
		return true
	}
	return r >= '☰' && r <= '☷' || r >= '♈' && r <= '♓' || r >= '⚊' && r <= '⚏'
}
