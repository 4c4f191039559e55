package link_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/host/link"
	"github.com/landfall-dev/landfall/registry"
)

// A token survives being typed.
func TestToken(t *testing.T) {
	t.Parallel()
	s, other := newSite(t), newSite(t)
	text := s.token.String()
	parts := strings.Split(text, ".")
	if len(parts) != 3 || len(parts[0]) != 6 || len(parts[1]) != 16 || len(parts[2]) != 16 || s.token.Secret() != parts[0]+"."+parts[1] {
		t.Fatalf("token %s", text)
	}
	for _, typed := range []string{text, strings.ToUpper(text), " " + text[:9] + " -\t" + text[9:] + "\r\n", text[:4] + "-" + text[4:]} {
		got, err := link.ParseToken(typed)
		if err != nil || got != s.token || !got.Fits(s.authority) || got.Fits(other.authority) {
			t.Errorf("%q: %v, %v", typed, got.ID, err)
		}
	}
	if again := link.NewToken(s.authority); again.String() == text {
		t.Error("two tokens are the same")
	}
	if shown := slog.AnyValue(s.token).Resolve().String(); shown != s.token.ID {
		t.Errorf("a log shows %s", shown)
	}
}

func TestTokenThatIsNone(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s", 16)
	for _, text := range []string{"", "a", "abcdef." + secret, "abcdef." + secret + "." + strings.Repeat("h", 15), "abcdef." + secret + "." + strings.Repeat("h", 16) + ".x",
		"abcde1." + secret + "." + strings.Repeat("h", 16), "abcdef." + secret[:15] + "8." + strings.Repeat("h", 16), "abcdef." + secret[:14] + "ß." + strings.Repeat("h", 16)} {
		_, err := link.ParseToken(text)
		if !errors.Is(err, registry.ErrInvalid) || strings.Contains(err.Error(), "sss") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What is read as a token is one, whole and in its only form.
func FuzzParseToken(f *testing.F) {
	f.Add("abcdef.ssssssssssssssss.hhhhhhhhhhhhhhhh")
	f.Add(" ABC-DEF.2222222222222222.7777777777777777\n")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := link.ParseToken(text)
		if err != nil {
			if !errors.Is(err, registry.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		again, err := link.ParseToken(token.String())
		if err != nil || again != token {
			t.Fatalf("%s is not read again: %v", token.String(), err)
		}
		id, secret, err := link.ParseSecret(token.Secret())
		if err != nil || id != token.ID || fmt.Sprintf("%s.%s", id, secret) != token.Secret() {
			t.Fatalf("%s: %v", token.Secret(), err)
		}
	})
}
