package password

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/registry"
)

// Bounds of a password, in characters. MaxBytes is what is worth hashing.
const (
	MinLength = 12
	MaxLength = 256
	MaxBytes  = 4 * MaxLength
)

// obvious are the beginnings of what is guessed first, in small letters; repeated
// and numbered they do not get better.
var obvious = []string{
	"password", "passwort", "passw0rd", "p@ssw0rd", "landfall", "administrator", "admin", "changeme", "letmein", "welcome", "default",
	"secret", "qwertyuiop", "qwerty", "asdfghjkl", "1q2w3e4r5t6y", "abcdefghijkl", "abcdefgh", "iloveyou", "registry", "container",
}

// minRest is how many other characters make a password that holds an obvious one
// good enough; minDistinct how many different ones it needs.
const (
	minRest     = 6
	minDistinct = 5
)

// Check is registry.ErrInvalid for what is too short, too long, or guessed at
// once by who knows the user's name.
func Check(user, password string) error {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password):
		return fmt.Errorf("%w: the password is not UTF-8", registry.ErrInvalid)
	case n < MinLength:
		return fmt.Errorf("%w: the password has %d characters; it needs at least %d", registry.ErrInvalid, n, MinLength)
	case n > MaxLength:
		return fmt.Errorf("%w: the password has %d characters; at most %d are possible", registry.ErrInvalid, n, MaxLength)
	}
	small := strings.ToLower(password)
	distinct := map[rune]bool{}
	for _, r := range small {
		distinct[r] = true
	}
	if len(distinct) < minDistinct {
		return fmt.Errorf("%w: the password has only %d different characters; it needs at least %d", registry.ErrInvalid, len(distinct), minDistinct)
	}
	if strings.Trim(small, "0123456789") == "" {
		return fmt.Errorf("%w: the password has nothing but digits", registry.ErrInvalid)
	}
	if user != "" && thin(small, strings.ToLower(user)) {
		return fmt.Errorf("%w: the password is little more than the user's name", registry.ErrInvalid)
	}
	for _, word := range obvious {
		if thin(small, word) {
			return fmt.Errorf("%w: the password is among those that are guessed first", registry.ErrInvalid)
		}
	}
	return nil
}

// thin reports whether a password is little more than a word: what is left of it
// without the word, digits at its end and separators.
func thin(password, word string) bool {
	if !strings.Contains(password, word) {
		return false
	}
	rest := strings.ReplaceAll(password, word, "")
	rest = strings.TrimRight(rest, "0123456789!.?")
	rest = strings.Trim(rest, " -_.")
	return utf8.RuneCountInString(rest) < minRest
}
