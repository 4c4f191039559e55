package browse

import (
	"encoding/json"
	"testing"
)

// No bytes make the reader of configs panic, and what it tells can be told.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"created":"2024-02-03T04:05:06Z","os":"linux","config":{"Cmd":["a"],"Labels":{"a":"b"},"ExposedPorts":{"80/tcp":{}}}}`))
	f.Add([]byte(`{"created":"9999-12-31T23:59:59-23:59","config":{"Env":[1],"Labels":[],"Cmd":null}}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, content []byte) {
		c, err := parseConfig(content)
		if c == nil && err == nil {
			t.Fatal("neither a config nor an error")
		}
		if _, err := json.Marshal(c); err != nil {
			t.Fatal(err)
		}
		if c != nil && (c.Entrypoint == nil || c.Cmd == nil || c.Labels == nil || c.ExposedPorts == nil || c.Volumes == nil) {
			t.Fatalf("%+v", c)
		}
	})
}

// Any annotation, tag or type has a kind.
func FuzzKind(f *testing.F) {
	f.Add("sha256-00.sig", "application/vnd.oci.image.index.v1+json", "", "https://spdx.dev/Document")
	f.Fuzz(func(t *testing.T, tag, mediaType, artifactType, predicate string) {
		if kindOf(traits{tag: tag, mediaType: mediaType, artifactType: artifactType, annotations: map[string]string{bundlePredicate: predicate}}) == "" {
			t.Fatal("no kind")
		}
	})
}
