package profile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/landfall-dev/landfall/internal/match"
	"github.com/landfall-dev/landfall/registry"
)

// Bounds of a profile.
const (
	MaxSize      = 1 << 20 // bytes of a profile's file, and of each file of values
	MaxLayers    = 200     // with those of included profiles
	MaxVariables = 500     // with those of included profiles
	MaxDepth     = 16      // profiles that include each other in a row
	maxIncluded  = 100     // profiles altogether
	maxValues    = 500_000 // values of all charts together
	maxText      = 32 << 20
)

// Read reads a profile and the profiles that it includes, and the files of values
// that they name. Relative paths of the result are from Dir, also those of included
// profiles. All problems are in the error, each a *Problem with file and line.
func Read(path string) (*Profile, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return read(path, content, true)
}

// Parse reads one profile that is at hand, without looking at any file: the layers
// of profiles that it includes are left out, and with that what they could declare is
// taken for declared; files of values stay without values. name is what places have
// as the file.
func Parse(name string, content []byte) (*Profile, error) { return read(name, content, false) }

func read(name string, content []byte, follow bool) (*Profile, error) {
	r := &reader{follow: follow, dir: filepath.Dir(name), included: map[string]*included{}, folders: map[string][]found{}, compiler: match.NewCompiler(), values: maxValues, text: maxText}
	if follow {
		r.stack = []frame{{real: realPath(name), file: name}}
	}
	d := r.parse(name, "", content)
	if d != nil {
		r.finish(d)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	p := &d.profile
	p.Files, p.Dir = r.sources, r.dir
	return p, nil
}

// reader reads a profile with all that it includes.
type reader struct {
	problems
	follow   bool   // look at other files
	dir      string // folder of the profile's file
	sources  []Source
	stack    []frame              // profiles that are being read, the outermost first
	included map[string]*included // by the file's path without links
	folders  map[string][]found   // profiles in folders that were looked into
	compiler *match.Compiler
	values   int // values of charts that are left
	text     int // bytes of text in them that are left
}

// readFile reads a regular file of at most MaxSize bytes.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: not a file", path, registry.ErrInvalid)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, err
	}
	if len(content) > MaxSize {
		return nil, fmt.Errorf("%s: %w: larger than %d bytes", path, registry.ErrInvalid, MaxSize)
	}
	return content, nil
}

// fileError is why a file cannot be read, without its path.
func fileError(err error) (string, error) {
	var at *os.PathError
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "there is no such file", registry.ErrNotFound
	case errors.As(err, &at):
		return at.Err.Error(), nil
	}
	return err.Error(), nil
}
