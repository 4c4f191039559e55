package remote

import (
	"context"
	"net/http"

	"github.com/landfall-dev/landfall/registry"
)

// Delete removes a tag, or a manifest with the tags that point at it (OCI
// distribution-spec, "Content Management"). A registry that cannot remove a
// tag alone fails: the manifest may have other names.
func (r *Registry) Delete(ctx context.Context, ref registry.Ref) error {
	c, err := r.manifestCall(http.MethodDelete, ref)
	if err != nil {
		return err
	}
	c.header = http.Header{}
	_, err = r.finish(ctx, c, http.StatusAccepted, http.StatusOK, http.StatusNoContent)
	return err
}
