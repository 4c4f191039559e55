package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// compare looks whether files and images are as they should be.
func (t *task) compare(ctx context.Context, c *host.Compare) (out host.Compared, err error) {
	for _, f := range c.Files {
		if err := t.tree.checkPath(f.Path); err != nil {
			return out, err
		}
		sum, err := t.sumOf(f.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			out.Files = append(out.Files, host.FileState{Path: f.Path, State: "missing"})
		case err != nil:
			return out, fmt.Errorf("%s: %w", f.Path, err)
		case sum != f.Digest:
			out.Files = append(out.Files, host.FileState{Path: f.Path, State: "changed"})
		}
	}
	if len(c.Images) > 0 {
		out.Images, err = t.opts.Runtime.Lacking(ctx, c.Images)
	}
	return out, err
}

// sumOf is the digest of a file's content; none of what is no file.
func (t *task) sumOf(path string) (digest.Digest, error) {
	info, err := t.tree.stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "", err
	}
	local, err := t.tree.follow(path)
	if err != nil {
		return "", err
	}
	f, err := t.tree.root.Open(local)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return digest.FromReader(f)
}
