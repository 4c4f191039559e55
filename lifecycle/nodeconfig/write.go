package nodeconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/durable"
)

// ErrForeign means that a file which Write would replace was not written by
// this package.
var ErrForeign = errors.New("exists and was not written by landfall; merge by hand or choose another folder")

// marker is in the first line of every file that can hold a comment.
const marker = "# Written by landfall node-config"

// Write puts the files below dir. Each is replaced as a whole or not at all
// and no other file is touched. A file of somebody else's in the place of one
// of these is ErrForeign, and then nothing is written.
func Write(dir string, files []File) error {
	for _, f := range files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) {
			return &FieldError{"path", f.Path, "leads out of the folder"}
		}
		if err := checkOurs(filepath.Join(dir, filepath.FromSlash(f.Path)), f); err != nil {
			return err
		}
	}
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		// A runtime that reads at any moment finds the old or the new file.
		if err := durable.WriteFile(path, f.Content, f.Mode); err != nil {
			return err
		}
	}
	return nil
}

func checkOurs(path string, f File) error {
	old, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case bytes.HasPrefix(old, []byte(marker)), bytes.Equal(old, f.Content), isCertificate(f.Path), isMirrorsOnly(old):
		return nil
	}
	return fmt.Errorf("%s: %w", path, ErrForeign)
}

// isMirrorsOnly reports whether a daemon.json, which can hold no marker, has
// no key but those that this package writes.
func isMirrorsOnly(old []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(old))
	decoder.DisallowUnknownFields()
	return decoder.Decode(&daemonConfig{}) == nil
}

// isCertificate reports whether the path is one that only a site's CA has: its
// folder or its own name says whose it is.
func isCertificate(path string) bool {
	return path == caFile || strings.HasSuffix(path, "/ca.crt")
}

func sorted(files []File) []File {
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files
}
