package definition

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/registry"
)

// Parse reads a document, at most 64 MiB. It is strict: version first, and nothing
// but what Marshal writes. ErrInvalid names the file, the line and the cure.
func Parse(name string, content []byte) (*Definition, error) {
	if len(content) > maxDocument || bytes.Count(content, []byte("\n")) > maxLines {
		return nil, lineError(name, 1, "larger than %d bytes or %d lines: not a definition", maxDocument, maxLines)
	}
	if err := checkVersion(name, content); err != nil {
		return nil, err
	}
	if !utf8.Valid(content) {
		return nil, lineError(name, invalidLine(content), "not UTF-8: it was damaged: get it again")
	}
	d := &Definition{}
	if err := newReader(name, content).document(d); err != nil {
		return nil, err
	}
	if err := check(d); err != nil {
		line := 1
		if at := (*fieldError)(nil); errors.As(err, &at) {
			line = lineOf(content, at.path)
		}
		return nil, lineError(name, line, "%s: it was edited, or a newer program built it: build it again", bare(err))
	}
	canonical, err := encode(d)
	if err != nil {
		return nil, lineError(name, 1, "%s", bare(err))
	}
	return d, compare(name, canonical, content)
}

// bare is an error's text without the sentinel, which lineError says.
func bare(err error) string {
	if at := (*fieldError)(nil); errors.As(err, &at) {
		return at.text()
	}
	return err.Error()
}

// checkVersion reads the first two lines, by which all others are read.
func checkVersion(name string, content []byte) error {
	version, rest, _ := bytes.Cut(content, []byte("\n"))
	kind, _, _ := bytes.Cut(rest, []byte("\n"))
	said, isVersion := bytes.CutPrefix(version, []byte("apiVersion: "))
	switch {
	case isVersion && string(said) != APIVersion:
		return lineError(name, 1, "apiVersion %.80q, this program reads %s: use the program that built it, or a newer one", said, APIVersion)
	case isVersion && string(kind) == "kind: ClusterProfile":
		return lineError(name, 2, "a profile, not a definition: make one of it: landfall definition build %s", name)
	case !isVersion || string(kind) != "kind: "+Kind:
		return lineError(name, 1, "not a definition: it does not begin with the lines \"apiVersion: %s\" and \"kind: %s\"", APIVersion, Kind)
	}
	return nil
}

func invalidLine(content []byte) int {
	line := 1
	for text := range bytes.Lines(content) {
		if !utf8.Valid(text) {
			break
		}
		line++
	}
	return line
}

// lineOf is the line of a field, of the nearest around it when it is not there.
func lineOf(content []byte, path string) int {
	r := newReader("", content)
	r.path, r.at = path, 1
	_ = r.document(&Definition{})
	return r.at
}

// compare finds the first line that is not as Marshal writes it.
func compare(name string, want, have []byte) error {
	if bytes.Equal(want, have) {
		return nil
	}
	for line := 1; ; line++ {
		w, restW, moreW := bytes.Cut(want, []byte("\n"))
		h, restH, moreH := bytes.Cut(have, []byte("\n"))
		switch {
		case !moreW && len(w) == 0:
			return lineError(name, line, "it was edited: unexpected %.80q: build it again", h)
		case !moreH && len(h) == 0:
			return lineError(name, line, "it was cut off or edited: %.80q is missing: get it or build it again", w)
		case !bytes.Equal(w, h) || moreW != moreH:
			return lineError(name, line, "it was edited: %.80q, where %.80q is written: build it again", h, w)
		}
		want, have = restW, restH
	}
}

// fieldError says what is wrong with which field.
type fieldError struct {
	path   string // "layers[0].name"
	reason string
}

func (e *fieldError) text() string  { return e.path + ": " + e.reason }
func (e *fieldError) Error() string { return registry.ErrInvalid.Error() + ": " + e.text() }

// Is makes the error an ErrInvalid.
func (e *fieldError) Is(target error) bool { return target == registry.ErrInvalid }
