package trust_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/registry/trust"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func generate(t testing.TB, kind string) *trust.PrivateKey {
	t.Helper()
	k, err := trust.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t testing.TB, k *trust.PrivateKey, payload string) trust.Signature {
	t.Helper()
	s, err := k.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keyYAML is a key of a policy; more is further fields.
func keyYAML(k *trust.PrivateKey, owner, more string) string {
	pem := strings.ReplaceAll(strings.TrimSpace(string(k.Key.PEM())), "\n", "\n      ")
	return fmt.Sprintf("  - owner: %s\n    pem: |\n      %s\n    %s\n", owner, pem, more)
}

func policy(t testing.TB, text string) *trust.Policy {
	t.Helper()
	p, err := trust.Parse("policy", []byte("version: 1\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
