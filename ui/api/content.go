package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/browse"
)

// What is done in a repository, as rights are given for it.
const (
	actionPull   = "pull"
	actionDelete = "delete"
)

// maxShown bounds a blob that is read through the API, in bytes: an SBOM. Layers
// are pulled.
const maxShown = 8 << 20

// NamesInput is what names are looked for by.
type NamesInput struct {
	Query      string `query:"q" maxLength:"1024" doc:"Words that must all occur in the name, whatever their case"`
	Repository string `query:"repository" maxLength:"255" doc:"In this repository only"`
	Kind       string `query:"kind" enum:"definition" doc:"Of this kind only"`
	After      string `query:"after" maxLength:"512" doc:"Those after this one: next of the page before"`
	Limit      int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

// RepositoriesInput is what repositories are looked for by.
type RepositoriesInput struct {
	Query string `query:"q" maxLength:"1024" doc:"Words that must all occur in the name, whatever their case"`
	After string `query:"after" maxLength:"512" doc:"Those after this one: next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

// NameInput is a name.
type NameInput struct {
	Name string `query:"name" required:"true" minLength:"1" maxLength:"512" doc:"REPOSITORY:TAG or REPOSITORY@DIGEST, as it is listed or as Docker would complete it" example:"registry.k8s.io/pause:3.10"`
}

type artifactAnswer struct {
	ETag string `header:"ETag" doc:"The digest; If-Match of a deletion"`
	Body *browse.Artifact
}

type deletionInput struct {
	NameInput
	IfMatch string `header:"If-Match" doc:"The ETag that was read: what the name stands for since is not deleted"`
}

type blobInput struct {
	Repository string `query:"repository" required:"true" minLength:"1" maxLength:"255"`
	Digest     string `query:"digest" required:"true" minLength:"1" maxLength:"160"`
}

type blobAnswer struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Sniff       string `header:"X-Content-Type-Options"`
	Body        []byte
}

func (a *API) contentRoutes() {
	add(a, route{method: http.MethodGet, path: "/content/names", id: "list-names", right: "content.read",
		summary: "Find names, by repository and tag"}, a.listNames)
	add(a, route{method: http.MethodGet, path: "/content/repositories", id: "list-repositories", right: "content.read",
		summary: "Find repositories"}, a.listRepositories)
	add(a, route{method: http.MethodGet, path: "/content/artifact", id: "get-artifact", right: "content.read",
		summary: "Tell what is behind a name"}, a.getArtifact)
	add(a, route{method: http.MethodGet, path: "/content/consequences", id: "get-consequences", right: "content.read",
		summary: "Tell what the deletion of a name would lead to"}, a.getConsequences)
	a.tagHistoryRoutes()
	add(a, route{method: http.MethodDelete, path: "/content/artifact", id: "delete-artifact", right: "content.delete",
		summary: "Delete a tag, or a manifest with its tags"}, a.deleteArtifact)
	add(a, route{method: http.MethodGet, path: "/content/blob", id: "get-blob", right: "content.read", media: typeBytes,
		summary: "Read a small blob, such as an SBOM"}, a.getBlob)
}

// browser is what shows content, if anything does.
func (a *API) browser() (*browse.Browser, error) {
	return a.opts.Browser, offered(a.opts.Browser != nil, "shows no content")
}

// mayPull says which repositories the context's subject may be told of; nil: all.
func (a *API) mayPull(ctx context.Context) func(repository string) bool {
	if a.opts.MayRepository == nil {
		return nil
	}
	return func(repository string) bool { return a.opts.MayRepository(ctx, actionPull, repository) }
}

func (a *API) listNames(ctx context.Context, in *NamesInput) (*answer[page[browse.Name]], error) {
	b, err := a.browser()
	if err != nil {
		return nil, err
	}
	find := b.Names
	if in.Kind != "" {
		find = b.Definitions
	}
	list, err := find(ctx, store.FindOptions{Query: in.Query, Repository: in.Repository, After: in.After, Limit: in.Limit + 1, May: a.mayPull(ctx)})
	return give(pageOf(list, in.Limit, func(n browse.Name) string { return n.Name }), err)
}

func (a *API) listRepositories(ctx context.Context, in *RepositoriesInput) (*answer[page[browse.Repository]], error) {
	b, err := a.browser()
	if err != nil {
		return nil, err
	}
	list, err := b.Repositories(ctx, store.FindOptions{Query: in.Query, After: in.After, Limit: in.Limit + 1, May: a.mayPull(ctx)})
	return give(pageOf(list, in.Limit, func(r browse.Repository) string { return r.Name }), err)
}

// named finds the name that is meant, for who may know of it.
func (a *API) named(ctx context.Context, in NameInput) (*browse.Browser, registry.Ref, error) {
	b, err := a.browser()
	if err != nil {
		return nil, registry.Ref{}, err
	}
	ref, err := b.Find(ctx, in.Name, a.mayPull(ctx))
	return b, ref, err
}

func (a *API) getArtifact(ctx context.Context, in *NameInput) (*artifactAnswer, error) {
	b, ref, err := a.named(ctx, *in)
	if err != nil {
		return nil, err
	}
	artifact, err := b.Artifact(ctx, ref)
	if err != nil {
		return nil, err
	}
	if may := a.mayPull(ctx); may != nil {
		artifact.Restrict(may)
	}
	return &artifactAnswer{digestTag(artifact.Digest), artifact}, nil
}

// digestTag is the entity tag of what a name stands for.
func digestTag(d digest.Digest) string { return `"` + d.String() + `"` }

func (a *API) getConsequences(ctx context.Context, in *NameInput) (*answer[*browse.Consequences], error) {
	b, ref, err := a.named(ctx, *in)
	if err != nil {
		return nil, err
	}
	return give(b.Consequences(ctx, ref))
}

func (a *API) deleteArtifact(ctx context.Context, in *deletionInput) (*nothing, error) {
	b, ref, err := a.named(ctx, in.NameInput)
	if err != nil {
		return nil, err
	}
	if may := a.opts.MayRepository; may != nil && !may(ctx, actionDelete, ref.Repository) {
		return nil, fmt.Errorf("%s: %w: nothing of this repository may be deleted with these rights", ref, registry.ErrDenied)
	}
	return &nothing{}, b.Delete(ctx, ref, func(d digest.Digest) error { return matches(in.IfMatch, digestTag(d)) })
}

// getBlob answers with bytes that nobody's browser takes for a page.
func (a *API) getBlob(ctx context.Context, in *blobInput) (*blobAnswer, error) {
	b, err := a.browser()
	if err != nil {
		return nil, err
	}
	d, err := registry.ParseDigest(in.Digest)
	if err != nil {
		return nil, &FieldError{"query.digest", err}
	}
	known, err := b.Repositories(ctx, store.FindOptions{Repository: in.Repository, May: a.mayPull(ctx)})
	if err == nil && len(known) == 0 {
		err = fmt.Errorf("repository %s: %w", in.Repository, registry.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	content, err := b.Blob(ctx, in.Repository, d, maxShown)
	if err != nil {
		return nil, err
	}
	file := strings.Replace(d.String(), ":", "-", 1)
	return &blobAnswer{typeBytes, `attachment; filename="` + file + `"`, "nosniff", content}, nil
}
