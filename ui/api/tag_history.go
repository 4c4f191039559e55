package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/landing"
	"github.com/landfall-dev/landfall/ui/mirroring"
)

// tagAction is how a tag came to point at something else.
type tagAction string

const (
	tagPushed   tagAction = "pushed"
	tagImported tagAction = "imported"
	tagMirrored tagAction = "mirrored"
	tagDeleted  tagAction = "deleted"
	tagRestored tagAction = "restored"
	tagSet      tagAction = "set"
)

// tagChange is one time that a tag pointed at something else than before.
type tagChange struct {
	Entry  int64         `json:"entry" doc:"The id of the audit log's entry"`
	At     time.Time     `json:"at"`
	Action tagAction     `json:"action" enum:"pushed,imported,mirrored,deleted,restored,set" doc:"restored: a deletion was undone; set: in another way, such as a command on the data folder"`
	Actor  tagActor      `json:"actor"`
	Before digest.Digest `json:"before,omitempty" doc:"What it pointed at; absent when there was no such tag"`
	After  digest.Digest `json:"after,omitempty" doc:"What it points at since; absent when there is no such tag any more"`
}

// tagActor is who it was.
type tagActor struct {
	Name    string `json:"name"`
	Kind    string `json:"kind" doc:"user, token, robot, local (on the machine itself), anonymous, system (the appliance itself)"`
	Address string `json:"address,omitempty" doc:"Of the client; for who may read the audit log"`
	Via     string `json:"via,omitempty" doc:"How it came; for who may read the audit log"`
}

// TagHistoryInput asks for a tag's history.
type TagHistoryInput struct {
	NameInput
	Before int64 `query:"before" minimum:"1" doc:"Those before this entry: next of the page before"`
	Limit  int   `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (a *API) tagHistoryRoutes() {
	add(a, route{method: http.MethodGet, path: "/content/history", id: "list-tag-history", right: auth.ContentRead,
		summary: "List what a tag has pointed at, the newest first",
		about:   "Also of a tag that is gone. What was before the audit log, or came by a command that keeps none, is not in it."}, a.tagHistory)
}

func (a *API) tagHistory(ctx context.Context, in *TagHistoryInput) (*answer[page[tagChange]], error) {
	b, err := a.browser()
	if err == nil {
		err = offered(a.opts.Audit != nil, "keeps no audit log")
	}
	if err != nil {
		return nil, err
	}
	ref, err := b.FindTag(ctx, in.Name, a.mayPull(ctx))
	if err != nil {
		return nil, err
	}
	list, err := a.opts.Audit.History(ctx, ref.String(), in.Before, in.Limit+1)
	if err == nil && len(list) == 0 && in.Before == 0 {
		_, err = b.Find(ctx, in.Name, a.mayPull(ctx)) // one that is here has no history yet
	}
	if err != nil {
		return nil, err
	}
	full := a.opts.Allow(ctx, auth.AuditRead) == nil
	changes := make([]tagChange, len(list))
	for i, c := range list {
		changes[i] = newTagChange(c, full)
	}
	return give(pageOf(changes, in.Limit, func(c tagChange) string { return strconv.FormatInt(c.Entry, 10) }), nil)
}

func newTagChange(c audit.TagChange, full bool) tagChange {
	t := tagChange{Entry: c.ID, At: c.At, Action: actionOf(c), Actor: tagActor{Name: c.Actor.Name, Kind: c.Actor.Kind}, Before: c.Before, After: c.After}
	if full {
		t.Actor.Address, t.Actor.Via = c.Actor.Address, c.Actor.Via
	}
	return t
}

// actionOf tells by who did it, and how they came, what has set a tag.
func actionOf(c audit.TagChange) tagAction {
	way, job, _ := strings.Cut(c.Actor.Via, ":")
	if way != jobs.ViaJob {
		job = ""
	}
	switch {
	case c.Kind == store.TagDelete:
		return tagDeleted
	case c.Kind == store.TagRestore:
		return tagRestored
	case job == landing.Kind:
		return tagImported
	case job == mirroring.Kind, c.Actor.Kind == audit.System: // for a pull that found nothing here
		return tagMirrored
	case way == jobs.ViaJob, way == "":
		return tagSet
	}
	return tagPushed
}
