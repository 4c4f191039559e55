package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// For how long, and of how many operations, ends are remembered once the appliance has
// taken them.
const (
	remembered    = 30 * 24 * time.Hour
	maxRemembered = 2000
)

// entry is what is known of an operation. What was asked for is not in it, as it may
// hold secrets.
type entry struct {
	// Op is the identity of what was asked for; empty when it is not known, because the
	// entry could not be read.
	Op       digest.Digest `json:"op"`
	Kind     string        `json:"kind"`
	Reported bool          `json:"reported,omitempty"` // the appliance knows the end
	Result   host.Result   `json:"result"`
}

// journal is the entries, a file each. An entry is written before its operation begins
// and after it has ended.
type journal struct {
	dir string
	log *slog.Logger
	mu  sync.Mutex // one reads, changes and writes an entry at a time
}

func openJournal(dir string, log *slog.Logger) (*journal, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") { // an interrupted write
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	return &journal{dir: dir, log: log}, nil
}

func (j *journal) path(id string) string { return filepath.Join(j.dir, id+".json") }

// load is nil when nothing is known of an operation. An entry that cannot be read
// counts as that of an interrupted operation: to do it again is safe, to skip it is not.
func (j *journal) load(id string) (*entry, error) {
	content, err := os.ReadFile(j.path(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("operation %s: its entry of the journal: %w", id, err)
	}
	var e entry
	if err := json.Unmarshal(content, &e); err != nil || e.Result.ID != id {
		j.log.Error("an entry of the journal is damaged: the operation counts as interrupted", "op", id, "error", err)
		return &entry{Result: host.Result{ID: id, State: host.Running, Attempt: 1, Began: time.Now().UTC()}}, nil
	}
	return &e, nil
}

func (j *journal) save(e *entry) error {
	content, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return registry.DiskError(durable.WriteFile(j.path(e.Result.ID), content, 0o600))
}

// begin is the entry of an operation: with its end when that is known, else running,
// with the attempt that begins now.
func (j *journal) begin(op *host.Op, now time.Time) (*entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, err := j.load(op.ID)
	if err != nil {
		return nil, err
	}
	is := identity(op)
	switch {
	case e == nil:
		e = &entry{Op: is, Kind: op.Kind(), Result: host.Result{ID: op.ID, Began: now.UTC()}}
	case e.Op != "" && e.Op != is:
		return nil, differs(op.ID)
	case e.Result.State != host.Running:
		return e, nil
	}
	e.Op, e.Kind, e.Reported = is, op.Kind(), false
	e.Result.State = host.Running
	e.Result.Attempt++
	if err := j.save(e); err != nil {
		return nil, fmt.Errorf("operation %s is not begun, as the journal cannot be written: %w", op.ID, err)
	}
	return e, nil
}

// reported notes that the appliance has taken an end.
func (j *journal) reported(id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, err := j.load(id)
	if err != nil || e == nil || e.Reported || e.Result.State == host.Running {
		return err
	}
	e.Reported = true
	return j.save(e)
}

// all calls visit for each entry.
func (j *journal) all(visit func(*entry)) error {
	names, err := os.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		id, ok := strings.CutSuffix(n.Name(), ".json")
		if !ok {
			continue
		}
		e, err := j.load(id)
		if err != nil {
			return err
		}
		if e != nil {
			visit(e)
		}
	}
	return nil
}

// unreported are the ends that the appliance has not taken yet.
func (j *journal) unreported() (list []host.Result, err error) {
	err = j.all(func(e *entry) {
		if !e.Reported && e.Result.State != host.Running {
			list = append(list, e.Result)
		}
	})
	slices.SortFunc(list, func(a, b host.Result) int { return a.Ended.Compare(b.Ended) })
	return list, err
}

// prune forgets ends that the appliance took long ago.
func (j *journal) prune(now time.Time) error {
	var old []host.Result
	if err := j.all(func(e *entry) {
		if e.Reported && e.Result.State != host.Running {
			old = append(old, e.Result)
		}
	}); err != nil {
		return err
	}
	slices.SortFunc(old, func(a, b host.Result) int { return b.Ended.Compare(a.Ended) })
	for i, r := range old {
		if i < maxRemembered && now.Sub(r.Ended) < remembered {
			continue
		}
		if err := os.Remove(j.path(r.ID)); err != nil {
			return err
		}
	}
	return nil
}

// forget removes all entries: they are of an appliance that the host has left.
func (j *journal) forget() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	names, err := os.ReadDir(j.dir)
	for _, n := range names {
		err = errors.Join(err, os.Remove(filepath.Join(j.dir, n.Name())))
	}
	return err
}
