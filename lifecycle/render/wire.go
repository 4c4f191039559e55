package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/landfall-dev/landfall/lifecycle/object"
)

// What goes over a worker's pipes. To it: a request as JSON, then the archive. From
// it: what it found out that it renders, as soon as it knows, then an answer, both as
// JSON, then the files' contents one after the other.

// The kinds of requests.
const (
	kindChart     = "chart"
	kindKustomize = "kustomization"
)

type request struct {
	Kind        string
	Release     string
	Namespace   string
	Values      map[string]any
	KubeVersion string
	APIVersions []string
	Memory      int64
	Output      int64
	Archive     int64 // bytes that follow
}

// subject names what is rendered: "chart app 1.2.3".
type subject struct{ Name string }

type answer struct {
	Problem  string // what is wrong with the chart, without its name
	Limit    string // which limit was reached
	Files    []sized
	Hooks    map[string][]string
	Warnings []string
}

type sized struct {
	Path string
	Size int64
}

// wireOverhead is what an answer may take beside the files' contents, in bytes.
const wireOverhead = 16 << 20

func (q *request) write(w io.Writer, archive []byte) error {
	q.Archive = int64(len(archive))
	if err := json.NewEncoder(w).Encode(q); err != nil {
		return err
	}
	_, err := w.Write(archive)
	return err
}

func readRequest(r io.Reader) (*request, []byte, error) {
	q := &request{}
	d := json.NewDecoder(r)
	if err := d.Decode(q); err != nil {
		return nil, nil, err
	}
	archive := make([]byte, q.Archive)
	_, err := io.ReadFull(behind(d, r), archive)
	return q, archive, err
}

// behind is what follows the line of the JSON value that was read last.
func behind(d *json.Decoder, r io.Reader) io.Reader {
	all := io.MultiReader(d.Buffered(), r)
	newline := make([]byte, 1)
	if _, err := io.ReadFull(all, newline); err == nil && newline[0] != '\n' {
		return io.MultiReader() // nothing that is ours
	}
	return all
}

func (a *answer) write(w io.Writer, files []object.File) error {
	for _, f := range files {
		a.Files = append(a.Files, sized{f.Path, int64(len(f.Content))})
	}
	if err := json.NewEncoder(w).Encode(a); err != nil {
		return err
	}
	for _, f := range files {
		if _, err := io.WriteString(w, f.Content); err != nil {
			return err
		}
	}
	return nil
}

// errOutput is an answer that is larger than it may be.
var errOutput = errors.New("too much output")

// readAnswer reads what a worker writes, of at most output bytes of files. name is
// told what is rendered.
func readAnswer(r io.Reader, output int64, name func(string)) (*answer, []object.File, error) {
	r = io.LimitReader(r, output+wireOverhead)
	d := json.NewDecoder(r)
	var s subject
	if err := d.Decode(&s); err != nil {
		return nil, nil, err
	}
	name(s.Name)
	a := &answer{}
	if err := d.Decode(a); err != nil {
		return nil, nil, err
	}
	content, left := behind(d, r), output
	files := make([]object.File, len(a.Files))
	for i, f := range a.Files {
		if left -= f.Size; f.Size < 0 || left < 0 {
			return nil, nil, errOutput
		}
		b := make([]byte, f.Size)
		if _, err := io.ReadFull(content, b); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		files[i] = object.File{Path: f.Path, Content: string(b)}
	}
	return a, files, nil
}
