package engine

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// maxTags is how many tags one push may set beside its reference.
const maxTags = 100

// putManifest answers "Pushing Manifests" of the distribution-spec, with the
// tag parameters of its coming version.
func (e *Engine) putManifest(w http.ResponseWriter, r *http.Request, t *target) error {
	repository := t.repository
	if err := e.allowPush(r, repository); err != nil {
		return err
	}
	names, err := t.pushedNames()
	if err != nil {
		return err
	}
	content, err := e.readManifest(w, r)
	if err != nil {
		return err
	}
	d, m, err := t.describeManifest(r.Header.Get("Content-Type"), content)
	if err != nil {
		return err
	}
	ref := registry.Ref{Repository: repository, Digest: d.Digest}
	if err := e.storeManifest(r, t, ref, names, d, content); err != nil {
		return err
	}
	h := w.Header()
	h["Oci-Tag"] = t.query["tag"]
	if m.Subject != nil {
		h.Set("OCI-Subject", m.Subject.Digest.String())
	}
	h.Set("Location", "/v2/"+repository+"/manifests/"+d.Digest.String())
	h.Set("Docker-Content-Digest", d.Digest.String())
	w.WriteHeader(http.StatusCreated)
	return nil
}

// pushedNames are the tags to set; a single "" when there is but a digest.
func (t *target) pushedNames() ([]string, error) {
	names := append([]string{}, t.query["tag"]...)
	if len(names) > maxTags {
		return nil, refuse(http.StatusRequestURITooLong, errcode.ErrorCodeManifestInvalid, "%d tags, at most %d are taken at once", len(names), maxTags)
	}
	if _, err := parseDigest(t.arg); err != nil {
		names = append(names, t.arg)
	} else if len(names) == 0 {
		return []string{""}, nil
	}
	for _, tag := range names {
		if !validTag(tag) {
			return nil, refuse(http.StatusBadRequest, errcode.ErrorCodeManifestInvalid, "%q is neither a tag nor a digest", tag)
		}
	}
	return names, nil
}

func (e *Engine) readManifest(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := refuse(http.StatusRequestEntityTooLarge, errcode.ErrorCodeSizeInvalid, "manifests have at most %d bytes here", registry.MaxManifestSize)
	if r.ContentLength > registry.MaxManifestSize {
		return nil, tooLarge
	}
	content, err := io.ReadAll(io.LimitReader(e.patient(w, r), registry.MaxManifestSize+1))
	if err == nil && len(content) > registry.MaxManifestSize {
		err = tooLarge
	}
	return content, err
}

// describeManifest proves the bytes against every digest that the request
// names, and the Content-Type against what they say.
func (t *target) describeManifest(contentType string, content []byte) (registry.Descriptor, *registry.Manifest, error) {
	algorithm := digest.Canonical
	var stated []digest.Digest
	if t.query.Has("digest") {
		d, err := parseDigest(t.query.Get("digest"))
		if err != nil {
			return registry.Descriptor{}, nil, err
		}
		stated = append(stated, d)
	}
	if d, err := parseDigest(t.arg); err == nil {
		stated = append(stated, d)
	}
	for _, d := range stated {
		algorithm = d.Algorithm()
		if got := algorithm.FromBytes(content); got != d {
			return registry.Descriptor{}, nil, fmt.Errorf("%w: the manifest hashes to %s, not %s", registry.ErrDigest, got, d)
		}
	}
	d := registry.Describe(contentType, content, algorithm)
	if contentType != "" { // the one inside does not replace it: they have to agree
		if d.MediaType, _, _ = mime.ParseMediaType(contentType); d.MediaType == "" {
			d.MediaType = contentType
		}
	}
	m, err := registry.ParseManifest(d.MediaType, content)
	return d, m, err
}

// storeManifest puts a manifest. Blobs that the repository lacks but that
// reads of the same name show, see candidate, are mounted first: the client
// was told that they are there.
func (e *Engine) storeManifest(r *http.Request, t *target, ref registry.Ref, tags []string, d registry.Descriptor, content []byte) error {
	err := e.store.PutTagged(r.Context(), ref, tags, d, content)
	var incomplete *store.IncompleteError
	if !errors.As(err, &incomplete) {
		return err
	}
	for _, missing := range incomplete.Missing {
		found := e.find(r, t, func(repository string) error {
			mounted, err := e.store.Mount(r.Context(), ref.Repository, repository, registry.Descriptor{Digest: missing})
			if err == nil && !mounted {
				err = e.view.Bring(r.Context(), repository, ref.Repository, missing)
			}
			return err
		})
		if errors.Is(found, registry.ErrNotFound) {
			return err
		} else if found != nil {
			return found
		}
	}
	return e.store.PutTagged(r.Context(), ref, tags, d, content)
}
