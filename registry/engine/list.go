package engine

import (
	"encoding/json"
	"errors"
	"iter"
	"math"
	"net/http"
	"net/url"
	"strconv"

	"github.com/distribution/distribution/v3/registry/api/errcode"
)

// maxPage is the most names that one answer holds; a Link leads to the rest.
const maxPage = 10_000

// listTags answers "Listing Tags" of the distribution-spec.
func (e *Engine) listTags(w http.ResponseWriter, r *http.Request, t *target) error {
	p, err := t.page()
	if err != nil {
		return err
	}
	err = e.find(r, t, func(repository string) error {
		return p.fill(e.view.Tags(r.Context(), repository, p.last))
	})
	if err != nil {
		return err
	}
	p.link(w, r.URL)
	return writeJSON(w, struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{t.name, p.names})
}

// listRepositories answers /v2/_catalog, which is Docker's, not of the spec.
func (e *Engine) listRepositories(w http.ResponseWriter, r *http.Request, t *target) error {
	if err := e.allow(r, wholeCatalog); err != nil {
		return err
	}
	p, err := t.page()
	if err != nil {
		return err
	}
	if err := p.fill(e.view.RepositoryPaths(r.Context(), p.last)); err != nil {
		return err
	}
	p.link(w, r.URL)
	return writeJSON(w, struct {
		Repositories []string `json:"repositories"`
	}{p.names})
}

// page is the part of a list that is asked for.
type page struct {
	n     int
	last  string
	names []string // never nil: clients want [] for none
	more  bool     // names follow after these
}

func (t *target) page() (*page, error) {
	p := &page{n: maxPage, last: t.query.Get("last"), names: []string{}}
	if t.query.Has("n") {
		n, err := strconv.Atoi(t.query.Get("n"))
		if errors.Is(err, strconv.ErrRange) && n > 0 {
			n, err = math.MaxInt, nil
		}
		if err != nil || n < 0 {
			return nil, refuse(http.StatusBadRequest, errcode.ErrorCodePaginationNumberInvalid, "n=%q is not a number of results", t.query.Get("n"))
		}
		p.n = min(n, maxPage)
	}
	return p, nil
}

// fill takes n names, and looks whether there is one more.
func (p *page) fill(list iter.Seq2[string, error]) error {
	for name, err := range list {
		if err != nil {
			return err
		}
		if len(p.names) == p.n {
			p.more = true
			return nil
		}
		p.names = append(p.names, name)
	}
	return nil
}

// link leads to the next page (RFC 8288).
func (p *page) link(w http.ResponseWriter, u *url.URL) {
	if !p.more || p.n == 0 {
		return
	}
	q := u.Query()
	q.Set("n", strconv.Itoa(p.n))
	q.Set("last", p.names[len(p.names)-1])
	next := url.URL{Path: u.Path, RawQuery: q.Encode()}
	w.Header().Set("Link", "<"+next.String()+`>; rel="next"`)
}

func writeJSON(w http.ResponseWriter, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if w.Header()["Content-Type"] == nil {
		w.Header()["Content-Type"] = jsonType
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content)
	return nil
}
