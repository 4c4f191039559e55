package engine

import (
	"cmp"
	"errors"
	"net/http"
	"slices"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
)

// listReferrers answers "Listing Referrers" of the distribution-spec: no
// referrers is an empty index, never a 404, since that would send clients to
// the tag scheme of old.
func (e *Engine) listReferrers(w http.ResponseWriter, r *http.Request, t *target) error {
	subject, err := parseDigest(t.arg)
	if err != nil {
		return err
	}
	list := []registry.Descriptor{}
	err = e.find(r, t, func(repository string) error {
		found, err := e.referrers(r.Context(), repository, subject)
		if err == nil && len(found) == 0 {
			return registry.ErrNotFound
		}
		list = append(list, found...)
		return err
	})
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return err
	}
	slices.SortStableFunc(list, func(a, b registry.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	list = slices.CompactFunc(list, func(a, b registry.Descriptor) bool { return a.Digest == b.Digest })
	if filter := t.query.Get("artifactType"); filter != "" {
		list = slices.DeleteFunc(list, func(d registry.Descriptor) bool { return d.ArtifactType != filter })
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
	return writeJSON(w, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageIndex,
		Manifests: list,
	})
}
