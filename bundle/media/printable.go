package media

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Printable is text from a drive as it can be shown anywhere: what moves the
// cursor, changes the direction of writing, cannot be seen or is no text stands
// there as an escape sequence of Go, and so does the backslash.
func Printable(text string) string {
	var b strings.Builder
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case r == '\\':
			b.WriteString(`\\`)
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[n:]
	}
	return b.String()
}
