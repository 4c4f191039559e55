package landing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/upload"
)

// maxSignatures is how many files of signatures a source may have.
const maxSignatures = 16

// open opens cargo where a source says that it is, with the signatures beside it.
// ErrNotFound when it is not there, or is another one than that of the id.
func (l *Landing) open(ctx context.Context, s Source, request Request, id string) (*cargo, error) {
	c, err := l.openAlone(ctx, s, request, id)
	if err != nil {
		return nil, err
	}
	if err := l.sign(ctx, c, s, request); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// reopen opens what a job lands, with the signatures that were beside it when that was
// started. To a copy that says something else of itself they are of no use.
func (l *Landing) reopen(ctx context.Context, s Source, a args) (*cargo, error) {
	c, err := l.openAlone(ctx, s, a.Request, a.Bundle)
	if err != nil || c.bundle == nil {
		return c, err
	}
	keys, err := l.keys(ctx, a.Request)
	if err != nil {
		c.Close()
		return nil, err
	}
	for _, signature := range a.Signed {
		_, _ = c.bundle.AddSignatures(bytes.NewReader(signature), keys)
	}
	return c, nil
}

// openAlone opens cargo without what is beside it.
func (l *Landing) openAlone(ctx context.Context, s Source, request Request, id string) (*cargo, error) {
	opened, uploads, err := l.openFile(ctx, s, id)
	if err != nil {
		return nil, err
	}
	c, err := readCargo(ctx, opened, request.Name)
	if err != nil {
		return nil, missingPart(err, len(uploads))
	}
	c.name = opened.Name()
	if m, ok := opened.(interface{ Explain(err error) error }); ok {
		c.explain = m.Explain
	}
	if c.uploads = uploads; id != "" && c.id != id {
		c.Close()
		return nil, fmt.Errorf("%s: %w: something else is there now", s, registry.ErrNotFound)
	}
	return c, nil
}

// openFile opens a file, and says which uploads it is made of.
func (l *Landing) openFile(ctx context.Context, s Source, id string) (opened bundle.Medium, uploads []string, err error) {
	switch {
	case s.Path != "":
		opened, err = openMedium(s.Path, s.Path)
	case s.Upload != "" && l.opts.Uploads != nil:
		opened, uploads, err = l.openUpload(ctx, s.Upload)
	case s.Drive != "" && l.opts.Open != nil:
		opened, err = l.opts.Open(ctx, s, id)
	default:
		err = fmt.Errorf("%w: source: want an upload, or a drive and a file", registry.ErrInvalid)
	}
	if os.IsNotExist(err) {
		err = fmt.Errorf("%w: %w", registry.ErrNotFound, err)
	}
	return opened, uploads, err
}

// openUpload opens an upload; one that is a part of a file that was cut, with the
// others: they are read as one, where they lie.
func (l *Landing) openUpload(ctx context.Context, id string) (opened bundle.Medium, ids []string, err error) {
	f, err := l.opts.Uploads.Whole(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if f.Kind != upload.BundlePart {
		opened, err = openMedium(f.Path, f.Name)
		return opened, []string{id}, err
	}
	set, err := l.opts.Uploads.Set(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	for _, part := range set {
		ids = append(ids, part.ID)
	}
	p, err := upload.OpenParts(set)
	if err != nil {
		return nil, nil, err
	}
	return &medium{ReaderAt: p, Closer: p, name: f.Name, size: p.Size()}, ids, nil
}

// missingPart says what it may mean that a file of several parts ends too early.
func missingPart(err error, parts int) error {
	if parts > 1 && errors.Is(err, registry.ErrSize) {
		return fmt.Errorf("%w (it has %d parts so far: the last may be missing)", err, parts)
	}
	return err
}

// medium is a file that is open: a bundle.Medium.
type medium struct {
	io.ReaderAt
	io.Closer
	name string
	size int64
	file *os.File // nil when it is several
}

func (m *medium) Name() string { return m.name }
func (m *medium) Size() int64  { return m.size }
func (m *medium) OS() *os.File { return m.file }

// openMedium opens a file of this machine, under a name for messages.
func openMedium(path, name string) (bundle.Medium, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: not a regular file", name, bundle.ErrFormat)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &medium{ReaderAt: f, Closer: f, name: name, size: info.Size(), file: f}, nil
}

// sign adds the signatures that come in files beside a bundle.
func (l *Landing) sign(ctx context.Context, c *cargo, s Source, request Request) error {
	files, found := s.Signatures, false
	if len(files) == 0 && s.Drive != "" && c.bundle != nil && l.opts.Beside != nil {
		files, found = l.opts.Beside(s), true
	}
	switch {
	case len(files) == 0:
		return nil
	case c.bundle == nil:
		return fmt.Errorf("%w: signatures: they are for bundles, and this is an archive of images", registry.ErrInvalid)
	case len(files) > maxSignatures && !found:
		return fmt.Errorf("%w: signatures: more than %d files", registry.ErrInvalid, maxSignatures)
	}
	keys, err := l.keys(ctx, request)
	if err != nil {
		return err
	}
	for _, file := range files[:min(len(files), maxSignatures)] {
		err := l.addSignatures(ctx, c, s.beside(file), keys)
		if err != nil && found { // nobody has asked for it
			l.opts.Log.Warn("a file that is named like a signature is none of the bundle beside it", "drive", s.Drive, "file", file, "error", err)
		} else if err != nil {
			return fmt.Errorf("signature %s: %w", file, err)
		}
	}
	return nil
}

// keys are those that are known here, for who signs without saying who that is.
func (l *Landing) keys(ctx context.Context, request Request) ([]trust.Key, error) {
	opts, err := request.Options()
	if err != nil {
		return nil, err
	}
	policy, err := l.store.TrustPolicy(ctx)
	if err != nil {
		return nil, err
	}
	keys := opts.Keys
	for _, k := range policy.Keys() {
		keys = append(keys, k.Key)
	}
	return keys, nil
}

func (l *Landing) addSignatures(ctx context.Context, c *cargo, s Source, keys []trust.Key) error {
	m, uploads, err := l.openFile(ctx, s, "")
	if err != nil {
		return err
	}
	defer m.Close()
	before := c.bundle.Signatures()
	_, err = c.bundle.AddSignatures(io.NewSectionReader(m, 0, m.Size()), keys)
	for _, s := range c.bundle.Signatures() {
		if !slices.ContainsFunc(before, func(old trust.Signature) bool { return old.KeyID == s.KeyID && bytes.Equal(old.Raw, s.Raw) }) {
			c.signed = append(c.signed, s.Bundle)
		}
	}
	c.uploads = append(c.uploads, uploads...)
	return err
}

// beside is another file of the same place.
func (s Source) beside(file string) Source {
	switch {
	case s.Upload != "":
		return Source{Upload: file}
	case s.Drive != "":
		return Source{Drive: s.Drive, File: file}
	case filepath.IsAbs(file):
		return Source{Path: file}
	}
	return Source{Path: filepath.Join(filepath.Dir(s.Path), file)}
}
