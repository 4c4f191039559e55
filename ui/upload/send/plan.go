package send

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/ui/upload"
)

// sender sends one file.
type sender struct {
	opts        Options
	file        *os.File
	info        os.FileInfo
	size        int64
	fingerprint string
	tell        func(Progress)
	found, sent atomic.Int64 // bytes that were there before, and that were sent
	progress    progress

	window  int64 // of each part
	hashing sync.WaitGroup
	hashed  chan struct{} // closed when the fields below are there
	digest  digest.Digest
	hashErr error
}

// part is a region of the file with an upload of its own.
type part struct {
	id      string // "" until it is made
	start   int64  // in the file
	size    int64
	offset  int64 // so much of it is there
	unknown bool  // offset has to be asked for
	before  bool  // it was there when the file was first looked for
}

// errGone says that what was sent is not there any more: it has expired, or was
// deleted.
var errGone = errors.New("the upload is not at the appliance any more")

// send brings the file over, going on with what is there.
func (s *sender) send(ctx context.Context) (*upload.Upload, error) {
	s.forget()
	known, err := s.known(ctx)
	if err != nil {
		return nil, err
	}
	if up := best(known); up != nil {
		if up.State == upload.Receiving {
			return s.sendWhole(ctx, &part{id: up.ID, size: s.size, unknown: true, before: true})
		}
		s.found.Store(s.size)
		return s.await(ctx, up.ID)
	}
	parts := s.cut(known)
	if len(parts) == 1 && parts[0].id == "" {
		return s.sendWhole(ctx, parts[0])
	}
	return s.sendParts(ctx, parts)
}

// known lists the uploads of this file that are at the appliance.
func (s *sender) known(ctx context.Context) (found []upload.Upload, err error) {
	for after := ""; ; {
		var page upload.List
		err := s.persist(ctx, func() error {
			return s.get(ctx, fmt.Sprintf("?limit=1000&fingerprint=%s&after=%s", s.fingerprint, after), &page)
		})
		if err != nil {
			return nil, err
		}
		for _, up := range page.Uploads {
			if s.continues(up) {
				found = append(found, up)
			}
		}
		if after = page.Next; after == "" {
			return found, nil
		}
	}
}

// continues reports whether an upload is one of this file, and of use.
func (s *sender) continues(up upload.Upload) bool {
	switch {
	case up.Fingerprint != s.fingerprint:
		return false
	case up.Partial:
		return up.State == upload.Receiving && up.Part != nil && up.Part.Group == s.fingerprint && up.Part.Total == s.size
	case up.Size != s.size || s.opts.Kind != "" && up.Kind != s.opts.Kind:
		return false
	}
	return up.State == upload.Receiving || up.State == upload.Checking || up.State == upload.Whole
}

// best is the upload that is furthest, nil when there are parts only.
func best(known []upload.Upload) (up *upload.Upload) {
	order := []upload.State{upload.Receiving, upload.Checking, upload.Whole}
	for k := range known {
		c := &known[k]
		if c.Partial {
			continue
		}
		if up == nil || cmp.Or(cmp.Compare(slices.Index(order, c.State), slices.Index(order, up.State)), cmp.Compare(c.Offset, up.Offset)) > 0 {
			up = c
		}
	}
	return up
}

// cut cuts the file into parts: those that are there already, and what lies between
// them.
func (s *sender) cut(known []upload.Upload) (parts []*part) {
	for _, up := range known {
		if up.Partial {
			parts = append(parts, &part{id: up.ID, start: up.Part.Offset, size: up.Size, unknown: true, before: true})
		}
	}
	slices.SortFunc(parts, func(a, b *part) int { return cmp.Compare(a.start, b.start) })
	step := s.step()
	if len(parts) > 0 {
		step = s.size // gaps only
	}
	var all []*part
	at := int64(0)
	for _, p := range append(parts, &part{start: s.size}) {
		for ; at < p.start; at += min(step, p.start-at) {
			all = append(all, &part{start: at, size: min(step, p.start-at)})
		}
		if p.id != "" {
			all = append(all, p)
			at = p.start + p.size
		}
	}
	if len(all) == 0 {
		all = []*part{{}} // an empty file
	}
	return all
}

// step is the size of a part.
func (s *sender) step() int64 {
	n := int64(s.opts.Parts)
	if n <= 0 {
		n = min(max(s.size/partFrom, 1), defaultParts)
	}
	step := (s.size + n - 1) / n
	return max((step+partAlign-1)/partAlign*partAlign, 1)
}

// sendWhole sends the file as one upload.
func (s *sender) sendWhole(ctx context.Context, p *part) (*upload.Upload, error) {
	s.window = oneWindow
	if p.id == "" {
		if err := s.create(ctx, p, nil, ""); err != nil {
			return nil, err
		}
	}
	if err := s.sendPart(ctx, p, true); err != nil {
		return nil, err
	}
	return s.await(ctx, p.id)
}

// sendParts sends the file in parts at the same time, and has them joined.
func (s *sender) sendParts(ctx context.Context, parts []*part) (*upload.Upload, error) {
	for _, p := range parts { // first all: the appliance may have no room for one
		if p.id != "" {
			continue
		}
		err := s.create(ctx, p, []string{"group", s.fingerprint, "offset", fmt.Sprint(p.start), "total", fmt.Sprint(s.size)}, "partial")
		if err != nil {
			return nil, errors.Join(err, s.deleteEmpty(ctx, parts))
		}
	}
	s.window = partsWindow
	jobs := max(s.opts.Parts, defaultParts)
	err := parallel.Do(ctx, jobs, parts, func(ctx context.Context, p *part) error { return s.sendPart(ctx, p, false) })
	if err != nil {
		return nil, err
	}
	return s.join(ctx, parts)
}

// deleteEmpty removes parts that were made in vain.
func (s *sender) deleteEmpty(ctx context.Context, parts []*part) (err error) {
	for _, p := range parts {
		if p.id != "" && !p.before {
			err = errors.Join(err, s.delete(ctx, p.id))
		}
	}
	return err
}

// join has parts joined to the file that they are of.
func (s *sender) join(ctx context.Context, parts []*part) (*upload.Upload, error) {
	sum, err := s.local(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.unchanged(); err != nil {
		for _, p := range parts {
			err = errors.Join(err, s.delete(ctx, p.id))
		}
		return nil, err
	}
	list := make([]string, len(parts))
	for k, p := range parts {
		list[k] = s.path(p.id)
	}
	final := &part{}
	err = s.create(ctx, final, []string{"sha256", sum.Encoded()}, "final;"+strings.Join(list, " "))
	if err != nil {
		return nil, err
	}
	return s.await(ctx, final.id)
}

// await waits until an upload is whole.
func (s *sender) await(ctx context.Context, id string) (*upload.Upload, error) {
	s.checking()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		var up upload.Upload
		err := s.persist(ctx, func() error { return s.get(ctx, "/"+id, &up) })
		switch {
		case err != nil:
			return nil, err
		case up.State == upload.Whole || up.State == upload.Consumed:
			return &up, nil
		case up.State == upload.Failed:
			return nil, upload.Problem{Status: http.StatusUnprocessableEntity, Detail: up.Reason, Kind: up.ReasonKind}.Err()
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}
