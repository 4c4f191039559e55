package trust_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry/trust"
)

// No bytes make the readers of image signatures panic, and none that the key has
// not signed are accepted.
func FuzzImageSignature(f *testing.F) {
	k := generate(f, trust.ECDSA)
	image := digest.FromString("image")
	simple := fmt.Sprintf(`{"critical":{"image":{"docker-manifest-digest":%q}}}`, image)
	statement := fmt.Sprintf(`{"subject":[{"digest":{"sha256":%q}}],"predicateType":"https://sigstore.dev/cosign/sign/v1"}`, image.Encoded())
	const kind = "application/vnd.in-toto+json"
	signed := sign(f, k, fmt.Sprintf("DSSEv1 %d %s %d %s", len(kind), kind, len(statement), statement))
	bundle, err := json.Marshal(map[string]any{"dsseEnvelope": map[string]any{"payload": []byte(statement), "payloadType": kind, "signatures": []any{map[string]any{"sig": signed.Raw}}}})
	if err != nil {
		f.Fatal(err)
	}
	if err := k.VerifyBundle(image, bundle); err != nil {
		f.Fatal(err)
	}
	other := generate(f, trust.ECDSA)
	f.Add([]byte(simple), sign(f, k, simple).Raw, bundle)
	f.Fuzz(func(t *testing.T, payload, signature, bundle []byte) {
		if other.VerifySimple(image, payload, signature) == nil || other.VerifyBundle(image, bundle) == nil {
			t.Fatal("a signature of nobody was accepted")
		}
		_ = k.VerifySimple(image, payload, signature)
		_ = k.VerifyBundle(image, bundle)
	})
}
