// Package registry is the vocabulary of content: what a reference is, what a
// place that holds content can do, and how content is copied between places.
//
// A bundle file, a remote registry, the local store and memory are the same
// thing to the code that moves content: a [Reader], a [Writer], or both. The
// package does no I/O of its own and knows none of its implementations; the
// law that they all keep is in registrytest.
//
// Nouns. A repository is named by its original full name,
// "registry.k8s.io/pause". A manifest is a small JSON document (image
// manifest, image index, or their Docker forms) that names other content by
// digest. A blob is any other content: a config, a layer. A name is a
// repository with a tag that points at a manifest, or with a digest alone.
package registry

import (
	"context"
	"io"
	"iter"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Descriptor states the media type, digest and size in bytes of content (OCI
// image-spec, "Content Descriptors").
type Descriptor = ocispec.Descriptor

// Platform is the os, architecture and variant that a manifest runs on.
type Platform = ocispec.Platform

// Reader is a place that content can be read from. It never returns bytes
// that differ from what the descriptor or digest asked for states: a damaged
// source is an error before the end of the bytes.
type Reader interface {
	// Resolve returns the descriptor of the manifest that ref names: by its
	// digest when it has one, else by its tag. ErrNotFound when there is none.
	Resolve(ctx context.Context, ref Ref) (Descriptor, error)
	// Manifest is Resolve with the manifest's exact bytes, at most
	// MaxManifestSize.
	Manifest(ctx context.Context, ref Ref) (Descriptor, []byte, error)
	// Blob opens the blob d of a repository. The caller closes it. Reading it
	// to io.EOF proves its size and digest.
	Blob(ctx context.Context, repository string, d Descriptor) (io.ReadCloser, error)
	// Referrers lists the manifests whose subject is the given digest, sorted
	// by digest, with artifact type and annotations. None is not an error.
	Referrers(ctx context.Context, repository string, subject digest.Digest) ([]Descriptor, error)
}

// Writer is a place that content can be written to. It accepts only bytes
// that match their descriptor, and a manifest only after all that it needs.
type Writer interface {
	// Exists reports whether the repository holds d, manifest or blob by its
	// media type, whole and ready to be read.
	Exists(ctx context.Context, repository string, d Descriptor) (bool, error)
	// PutBlob stores a blob; r is read to its end. Bytes that do not match d
	// are ErrSize or ErrDigest and leave nothing behind.
	PutBlob(ctx context.Context, repository string, d Descriptor, r io.Reader) error
	// PutManifest stores a manifest and, when ref has a tag, points the tag at
	// it. Layers or a config that are missing are ErrIncomplete. Children of
	// an index may be missing: a platform filter leaves them out.
	PutManifest(ctx context.Context, ref Ref, d Descriptor, content []byte) error
}

// Mounter is a Writer that can take a blob over from another of its
// repositories without moving the bytes (OCI distribution-spec, "Mounting a
// blob from another repository").
type Mounter interface {
	// Mount makes the blob d of repository from appear in repository too and
	// reports whether it did; false means that the bytes have to be put. An
	// empty from means any repository that has the blob.
	Mount(ctx context.Context, repository, from string, d Descriptor) (bool, error)
}

// Ranger is a Reader that can begin a blob in the middle.
type Ranger interface {
	// BlobFrom opens the blob d from an offset on. Nothing is proven: who puts the
	// pieces together does that.
	BlobFrom(ctx context.Context, repository string, d Descriptor, offset int64) (io.ReadCloser, error)
}

// Resumer is a Writer that keeps what came of a blob whose transfer broke off,
// also across processes.
type Resumer interface {
	// ResumeBlob is PutBlob that takes what is still missing only: from opens the
	// blob at an offset. Its bytes need not be proven.
	ResumeBlob(ctx context.Context, repository string, d Descriptor, from func(offset int64) (io.ReadCloser, error)) error
}

// Checker is a Writer that can answer Exists for many blobs at once.
type Checker interface {
	// Missing returns the blobs that Exists would deny.
	Missing(ctx context.Context, repository string, blobs []Descriptor) ([]Descriptor, error)
}

// Reserver is a Writer that knows how much room it has.
type Reserver interface {
	// Reserve fails with ErrNoSpace when so many more bytes do not fit.
	Reserve(ctx context.Context, bytes int64) error
}

// Lister is a place that can tell what it holds. Names come in ascending byte
// order, those greater than after only.
type Lister interface {
	Repositories(ctx context.Context, after string) iter.Seq2[string, error]
	// Tags fails with ErrNotFound for a repository that does not exist.
	Tags(ctx context.Context, repository, after string) iter.Seq2[string, error]
}

// Namer is a Writer that remembers which digests without a tag are names:
// what somebody asked for by digest, and not only a part of something else.
type Namer interface {
	// PutName makes a digest of a repository, whose manifest is there, a name.
	PutName(ctx context.Context, ref Ref) error
}

// Deleter is a place that content can be removed from.
type Deleter interface {
	// Delete removes the tag when ref has no digest, else the manifest from
	// the repository together with the tags that point at it.
	Delete(ctx context.Context, ref Ref) error
}

// Batcher is a Writer that can make many writes durable in few steps and the
// names among them visible all at once.
type Batcher interface {
	Batch(ctx context.Context) (Batch, error)
}

// Batch is a Writer whose names stay invisible until Commit. What it has
// stored by digest stays stored when it is abandoned, so that the next
// attempt goes on from there.
type Batch interface {
	Writer
	// Commit makes everything durable and then all names visible together.
	Commit(ctx context.Context) error
	// Close abandons what was not committed. It may follow Commit.
	Close() error
}
