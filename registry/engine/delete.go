package engine

import "net/http"

// deleteManifest removes a tag, or a manifest with all tags that point at it
// (distribution-spec, "Content Management").
func (e *Engine) deleteManifest(w http.ResponseWriter, r *http.Request, t *target) error {
	ref, err := t.parseReference()
	if err != nil {
		return err
	}
	ref.Repository = t.repository
	if err := e.allow(r, onRepository(ref.Repository, "delete")); err != nil {
		return err
	}
	if err := e.store.Delete(r.Context(), ref); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// deleteBlob removes a blob from one repository; its bytes go when nothing at
// the site needs them.
func (e *Engine) deleteBlob(w http.ResponseWriter, r *http.Request, t *target) error {
	d, err := parseDigest(t.arg)
	if err != nil {
		return err
	}
	if err := e.allow(r, onRepository(t.repository, "delete")); err != nil {
		return err
	}
	if err := e.store.DeleteBlob(r.Context(), t.repository, d); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}
