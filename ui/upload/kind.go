package upload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/lifecycle/cluster/backup"
	"github.com/landfall-dev/landfall/registry"
)

// Kind is what an uploaded file is.
type Kind string

// The kinds of files that are taken.
const (
	Bundle        Kind = "bundle"
	BundlePart    Kind = "part"           // NAME.001 and so on: the bytes of one file, cut
	Signature     Kind = "signature"      // of a bundle, in a file beside it
	DockerArchive Kind = "docker-archive" // what docker save writes
	OCIArchive    Kind = "oci-archive"    // an OCI image layout in a tar file
	Definition    Kind = "definition"     // of a cluster: text, or an OCI archive
	ClusterBackup Kind = "cluster-backup" // that a cluster is formed again from
)

var kinds = []Kind{Bundle, BundlePart, Signature, DockerArchive, OCIArchive, Definition, ClusterBackup}

func (k Kind) known() bool { return slices.Contains(kinds, k) }

func kindNames() string {
	var names []string
	for _, k := range kinds {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

const (
	maxSignature  = 8 << 10
	maxDefinition = 4 << 20
	headSize      = 4 << 10 // of what is looked at to guess
)

// ErrKind says that a file is not what it was said to be, or nothing that is taken.
var ErrKind = errors.New("wrong kind of file")

var partName = regexp.MustCompile(`^(.+)\.([0-9]{3,6})$`)

// Examine tells what kind of file is at path, whose name for people may help. A
// declared kind has to be right; ErrKind, or an error of package bundle, with a reason
// for people, when it is not, or when the file is of no kind that is taken.
func Examine(path, name string, declared Kind) (Kind, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	head := make([]byte, headSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	e := examined{f, name, head[:n], info.Size()}
	if declared == "" {
		if declared, err = e.guess(); err != nil {
			return "", err
		}
	}
	return declared, e.check(declared)
}

// examined is a file that is looked at.
type examined struct {
	file *os.File
	name string
	head []byte
	size int64
}

// guess tells what it is, if it is anything; check has the last word.
func (e examined) guess() (Kind, error) {
	if partName.MatchString(e.name) {
		// The first part of a file begins as the file does.
		if k, err := e.guessArchive(); err == nil && e.check(k) == nil {
			return k, nil
		}
		return BundlePart, nil
	}
	switch {
	case e.backup() == nil:
		return ClusterBackup, nil
	case isTar(e.head):
		return e.guessArchive()
	case e.signature() == nil:
		return Signature, nil
	case e.text() == nil:
		return Definition, nil
	}
	return "", fmt.Errorf("%w: %s; want one of %s", ErrKind, e.looks(), kindNames())
}

// guessArchive tells what a tar file is.
func (e examined) guessArchive() (Kind, error) {
	if bytes.HasPrefix(e.head, []byte("oci-layout\x00")) && bytes.Contains(e.head, []byte("landfall/bundle.json")) {
		return Bundle, nil
	}
	a, err := e.archive()
	switch {
	case err != nil:
		return "", err
	case a.bundle:
		return Bundle, nil
	case a.docker:
		return DockerArchive, nil
	case a.layout && a.index:
		return OCIArchive, nil
	}
	return "", fmt.Errorf("%w: a tar file that is no bundle, no OCI archive and no docker save archive", ErrKind)
}

// check says what is wrong with a file of a kind.
func (e examined) check(k Kind) error {
	switch k {
	case Bundle:
		r, err := bundle.NewReader(e.name, e.file, e.size)
		if err != nil {
			return err
		}
		return r.Close()
	case BundlePart:
		if !partName.MatchString(e.name) {
			return fmt.Errorf("%w: %s: the name of a part ends with its number, like NAME.001", ErrKind, e.name)
		}
		return nil
	case Signature:
		return e.signature()
	case ClusterBackup:
		return e.backup()
	case Definition:
		if !isTar(e.head) {
			return e.text()
		}
	}
	return e.checkArchive(k)
}

func (e examined) checkArchive(k Kind) error {
	if !isTar(e.head) {
		return fmt.Errorf("%w: not a tar file but %s", ErrKind, e.looks())
	}
	a, err := e.archive()
	switch {
	case err != nil:
		return err
	case k == DockerArchive && !a.docker:
		return fmt.Errorf("%w: no manifest.json in it, which docker save writes", ErrKind)
	case k != DockerArchive && (!a.layout || !a.index):
		return fmt.Errorf("%w: no oci-layout and index.json in it", ErrKind)
	}
	return nil
}

// backup checks how a backup of a cluster begins: the rest is encrypted.
func (e examined) backup() error {
	if bytes.HasPrefix(e.head, []byte(backup.Line+"\n")) {
		return nil
	}
	return fmt.Errorf("%w: no backup of a cluster but %s", ErrKind, e.looks())
}

// signature checks the form of a signature: a Sigstore bundle, or the raw bytes of
// an ECDSA or Ed25519 signature.
func (e examined) signature() error {
	content, err := e.small(maxSignature, "signature")
	if err != nil {
		return err
	}
	var sigstore struct {
		MediaType string `json:"mediaType"`
	}
	der := len(content) > 2 && content[0] == 0x30 && int(content[1]) == len(content)-2
	raw := len(content) == 64 && !utf8.Valid(content)
	if err := json.Unmarshal(content, &sigstore); der || raw || err == nil && strings.HasPrefix(sigstore.MediaType, "application/vnd.dev.sigstore.bundle") {
		return nil
	}
	return fmt.Errorf("%w: neither a Sigstore bundle nor a raw signature", ErrKind)
}

// text checks that a definition can be read by people.
func (e examined) text() error {
	content, err := e.small(maxDefinition, "definition")
	if err != nil {
		return err
	}
	control := func(c rune) bool { return c < ' ' && !strings.ContainsRune("\t\n\r", c) }
	if len(content) == 0 || !utf8.Valid(content) || bytes.ContainsFunc(content, control) {
		return fmt.Errorf("%w: neither text nor an OCI archive but %s", ErrKind, e.looks())
	}
	return nil
}

func (e examined) small(most int64, what string) ([]byte, error) {
	if e.size > most {
		return nil, fmt.Errorf("%w: %d bytes are too many for a %s", registry.ErrSize, e.size, what)
	}
	content := make([]byte, e.size)
	_, err := io.ReadFull(io.NewSectionReader(e.file, 0, e.size), content)
	return content, err
}

// looks names what people upload by mistake.
func (e examined) looks() string {
	for _, known := range []struct{ magic, name string }{
		{"\x1f\x8b", "compressed with gzip: uncompress it first"},
		{"\x28\xb5\x2f\xfd", "compressed with zstd: uncompress it first"},
		{"BZh", "compressed with bzip2: uncompress it first"},
		{"\xfd7zXZ\x00", "compressed with xz: uncompress it first"},
		{"PK\x03\x04", "a zip file"},
		{"\x7fELF", "a program"},
		{"MZ", "a program"},
		{"age-encryption.org/", "encrypted with age: decrypt it first"},
	} {
		if bytes.HasPrefix(e.head, []byte(known.magic)) {
			return known.name
		}
	}
	if e.size == 0 {
		return "an empty file"
	}
	return "another kind of file"
}
