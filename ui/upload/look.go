package upload

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/landfall-dev/landfall/registry"
)

// List is a page of uploads, in the order of their ids.
type List struct {
	Uploads []Upload `json:"uploads"`
	Next    string   `json:"next,omitempty"` // after is this for the next page; empty on the last
}

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// look answers GET: of one upload, or of a page of them. Query parameters: after,
// limit, fingerprint, and all=true for the uploads of all owners.
func (u *Uploads) look(w http.ResponseWriter, r *http.Request, c caller, id string) error {
	if id != "" {
		rec, err := u.findAny(r.Context(), c, id)
		if err != nil {
			return err
		}
		return answer(w, rec.Upload)
	}
	q := r.URL.Query()
	limit := defaultLimit
	if text := q.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxLimit {
			return fmt.Errorf("%w: limit %.20q: want 1 to %d", registry.ErrInvalid, text, maxLimit)
		}
	}
	if q.Get("all") == "true" {
		if !c.admin {
			return fmt.Errorf("the uploads of others: %w", registry.ErrDenied)
		}
		c.owner = ""
	}
	page, err := u.page(r.Context(), c.owner, q.Get("fingerprint"), q.Get("after"), limit)
	if err != nil {
		return err
	}
	return answer(w, page)
}

// page lists uploads of an owner, of all when it is empty.
func (u *Uploads) page(ctx context.Context, owner, fingerprint, after string, limit int) (*List, error) {
	found, err := list(ctx, u.db.Read, `(?1 = '' OR owner = ?1) AND (?2 = '' OR fingerprint = ?2) AND id > ?3 ORDER BY id LIMIT ?4`,
		owner, fingerprint, after, limit+1)
	if err != nil {
		return nil, err
	}
	page := &List{Uploads: []Upload{}}
	for _, rec := range found {
		if len(page.Uploads) == limit {
			page.Next = page.Uploads[limit-1].ID
			break
		}
		page.Uploads = append(page.Uploads, rec.Upload)
	}
	return page, nil
}

// List lists uploads of an owner, of all when it is empty: up to 1000 with ids after
// one.
func (u *Uploads) List(ctx context.Context, owner, after string) (*List, error) {
	return u.page(ctx, owner, "", after, maxLimit)
}

func answer(w http.ResponseWriter, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(content, '\n'))
	return nil
}
