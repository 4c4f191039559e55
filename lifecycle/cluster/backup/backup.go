// Package backup is the file that a cluster can be formed again from, on other hosts: what
// it is to be, the values of its variables, its authorities, and the state of its etcd,
// encrypted with a key. It names the definition, and has no content of it.
//
// A file is a sealed stream (see package sealstream) called Line, of a tar archive:
//
//	manifest.json  a Manifest
//	cluster.json   what is kept apart from the state: the fields of Content after Manifest
//	state.db       etcd's snapshot
package backup

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/sealstream"
	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/pki"
	"github.com/landfall-dev/landfall/registry"
)

// Line is what such a file begins with.
const Line = "landfall-cluster-backup-1"

const (
	version      = 1
	manifestFile = "manifest.json"
	contentFile  = "cluster.json"
	stateFile    = "state.db"
	maxPart      = 16 << 20 // bytes of what is no state
)

// Manifest says what a backup is of.
type Manifest struct {
	Version    int           `json:"version"`
	Created    time.Time     `json:"created"`
	Cluster    string        `json:"cluster"`
	Definition string        `json:"definition"` // NAME:VERSION that runs
	Ref        string        `json:"ref"`        // of its artifact
	Digest     digest.Digest `json:"digest"`     // of that
	Kubernetes string        `json:"kubernetes"` // version
	Content    Part          `json:"content"`    // of cluster.json
	State      Part          `json:"state"`      // of state.db
}

// Part is a file in the archive.
type Part struct {
	Size   int64         `json:"size"`
	Digest digest.Digest `json:"digest"`
}

// Content is all of a backup but the state. It is secret.
type Content struct {
	Manifest Manifest                   `json:"-"`
	Spec     *cluster.Spec              `json:"spec"`
	Values   map[string]json.RawMessage `json:"values,omitempty"` // that are in force and no defaults
	Keys     *pki.Keys                  `json:"keys"`
	Password string                     `json:"password,omitempty"` // of its source
}

// Writer writes a backup.
type Writer struct {
	sealed *sealstream.Writer
	tar    *tar.Writer
	state  Part
}

// NewWriter begins a backup. The manifest's State is that of what WriteState writes; its
// version and Content are filled in.
func NewWriter(to io.Writer, key []byte, c Content) (*Writer, error) {
	content, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	c.Manifest.Version, c.Manifest.Content = version, Part{int64(len(content)), digest.FromBytes(content)}
	manifest, err := json.MarshalIndent(c.Manifest, "", "  ")
	if err != nil {
		return nil, err
	}
	sealed, err := sealstream.NewWriter(to, key, Line)
	if err != nil {
		return nil, err
	}
	w := &Writer{sealed: sealed, tar: tar.NewWriter(sealed), state: c.Manifest.State}
	return w, errors.Join(w.add(manifestFile, manifest), w.add(contentFile, content))
}

func (w *Writer) header(name string, size int64) error {
	return w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: size})
}

func (w *Writer) add(name string, content []byte) error {
	if err := w.header(name, int64(len(content))); err != nil {
		return err
	}
	_, err := w.tar.Write(content)
	return err
}

// WriteState writes the state, which is what the manifest says, and ends the backup.
func (w *Writer) WriteState(from io.Reader) error {
	if err := w.header(stateFile, w.state.Size); err != nil {
		return err
	}
	sum := digest.SHA256.Digester()
	n, err := io.Copy(io.MultiWriter(w.tar, sum.Hash()), io.LimitReader(from, w.state.Size))
	switch {
	case err != nil:
		return err
	case n != w.state.Size:
		return fmt.Errorf("%s: %w: %d bytes, want %d", stateFile, registry.ErrSize, n, w.state.Size)
	case sum.Digest() != w.state.Digest:
		return fmt.Errorf("%s: %w", stateFile, registry.ErrDigest)
	}
	return errors.Join(w.tar.Close(), w.sealed.Close())
}

// Reader reads a backup.
type Reader struct {
	Content Content
	sealed  io.Reader
	tar     *tar.Reader
}

// NewReader reads all of a backup but its state. ErrInvalid for what is none, ErrUntrusted
// for one with another key, ErrDigest for one that is cut off or was changed.
func NewReader(from io.Reader, key []byte) (*Reader, error) {
	sealed, err := sealstream.NewReader(from, key, Line)
	if err != nil {
		return nil, kind(err)
	}
	r := &Reader{sealed: sealed, tar: tar.NewReader(sealed)}
	manifest, err := r.part(manifestFile, Part{})
	if err != nil {
		return nil, err
	}
	m := &r.Content.Manifest
	if err := json.Unmarshal(manifest, m); err != nil || m.Version != version {
		return nil, fmt.Errorf("%s: %w: version %d, this program reads %d", manifestFile, registry.ErrInvalid, m.Version, version)
	}
	content, err := r.part(contentFile, m.Content)
	if err != nil {
		return nil, err
	}
	kept := *m
	if err := json.Unmarshal(content, &r.Content); err != nil || r.Content.Spec == nil || r.Content.Keys == nil {
		return nil, fmt.Errorf("%s: %w: it has no cluster", contentFile, registry.ErrInvalid)
	}
	r.Content.Manifest = kept
	return r, nil
}

// kind is what a damaged or foreign file is.
func kind(err error) error {
	for from, to := range map[error]error{sealstream.ErrForm: registry.ErrInvalid, sealstream.ErrKey: registry.ErrUntrusted, sealstream.ErrCut: registry.ErrDigest} {
		if errors.Is(err, from) {
			return fmt.Errorf("backup of a cluster: %w: %w", to, err)
		}
	}
	return err
}

func (r *Reader) next(name string) (*tar.Header, error) {
	h, err := r.tar.Next()
	if errors.Is(err, io.EOF) || err == nil && (h.Name != name || h.Typeflag != tar.TypeReg) {
		err = fmt.Errorf("backup of a cluster: %w: %s is not where it has to be", registry.ErrInvalid, name)
	}
	return h, kind(err)
}

// part reads a part that is small. Without a digest it says itself what others are.
func (r *Reader) part(name string, want Part) ([]byte, error) {
	h, err := r.next(name)
	if err != nil {
		return nil, err
	}
	if h.Size > maxPart {
		return nil, fmt.Errorf("%s: %w: it has %d bytes, %d are the most", name, registry.ErrInvalid, h.Size, maxPart)
	}
	content, err := io.ReadAll(r.tar)
	if err != nil {
		return nil, kind(err)
	}
	if want.Digest != "" && digest.FromBytes(content) != want.Digest {
		return nil, fmt.Errorf("%s: %w", name, registry.ErrDigest)
	}
	return content, nil
}

// ReadState writes the state to where it is wanted, and proves it and the end of the
// backup: only without an error it counts.
func (r *Reader) ReadState(to io.Writer) error {
	h, err := r.next(stateFile)
	if err != nil {
		return err
	}
	want := r.Content.Manifest.State
	if h.Size != want.Size {
		return fmt.Errorf("%s: %w: %d bytes, want %d", stateFile, registry.ErrSize, h.Size, want.Size)
	}
	sum := digest.SHA256.Digester()
	if _, err := io.Copy(io.MultiWriter(to, sum.Hash()), r.tar); err != nil {
		return kind(err)
	}
	if sum.Digest() != want.Digest {
		return fmt.Errorf("%s: %w", stateFile, registry.ErrDigest)
	}
	_, err = io.Copy(io.Discard, r.sealed) // to its end, which proves that nothing is missing
	return kind(err)
}
