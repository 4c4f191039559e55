package cosign

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// writeLayout writes an OCI layout with one image, tag v1.
func writeLayout(dir string) error {
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return err
	}
	type descriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int               `json:"size"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	put := func(mediaType string, content []byte) (descriptor, error) {
		sum := fmt.Sprintf("%x", sha256.Sum256(content))
		return descriptor{MediaType: mediaType, Digest: "sha256:" + sum, Size: len(content)}, os.WriteFile(filepath.Join(blobs, sum), content, 0o600)
	}
	const kind = "application/vnd.oci.image."
	config, err := put(kind+"config.v1+json", []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`))
	if err != nil {
		return err
	}
	layer, err := put(kind+"layer.v1.tar+gzip", []byte("not even compressed"))
	if err != nil {
		return err
	}
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": kind + "manifest.v1+json", "config": config, "layers": []descriptor{layer}})
	if err != nil {
		return err
	}
	m, err := put(kind+"manifest.v1+json", manifest)
	if err != nil {
		return err
	}
	m.Annotations = map[string]string{"org.opencontainers.image.ref.name": "v1"}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []descriptor{m}})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "index.json"), index, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o600)
	}
	return err
}
