package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
)

// document is a text that is read, edited and written back as a whole.
type document struct {
	Text string `json:"text"`
}

type documentAnswer struct {
	ETag string `header:"ETag"`
	Body document
}

type documentInput struct {
	IfMatch string `header:"If-Match" doc:"The ETag that was read; what has changed since is not overwritten"`
	Body    document
}

type retainRequest struct {
	DryRun bool    `json:"dryRun,omitempty" doc:"Change nothing"`
	Policy *string `json:"policy,omitempty" doc:"A policy to try in a dry run; the one in force when absent"`
}

func (r retainRequest) policy() []byte {
	if r.Policy == nil {
		return nil
	}
	return []byte(*r.Policy)
}

// etagOf is the entity tag of some content.
func etagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// matches is ErrPrecondition unless a condition of If-Match holds (RFC 9110,
// section 13.1.1).
func matches(condition, etag string) error {
	if condition == "" || strings.TrimSpace(condition) == "*" {
		return nil
	}
	for one := range strings.SplitSeq(condition, ",") {
		if strings.TrimSpace(one) == etag {
			return nil
		}
	}
	return ErrPrecondition
}

// addDocument registers the reading and writing of a document.
func addDocument(a *API, r route, write Right, get func(context.Context) ([]byte, error), set func(context.Context, []byte) error) {
	var turn sync.Mutex // held from the comparison to the change
	r.method = http.MethodGet
	name := r.id
	r.id = "get-" + name
	add(a, r, func(ctx context.Context, _ *nothing) (*documentAnswer, error) {
		content, err := get(ctx)
		if err != nil {
			return nil, err
		}
		return &documentAnswer{etagOf(content), document{string(content)}}, nil
	})
	r.method, r.id, r.right, r.summary = http.MethodPut, "set-"+name, write, strings.Replace(r.summary, "Read", "Replace", 1)
	add(a, r, func(ctx context.Context, in *documentInput) (*documentAnswer, error) {
		turn.Lock()
		defer turn.Unlock()
		content, err := get(ctx)
		if err == nil {
			err = matches(in.IfMatch, etagOf(content))
		}
		if err != nil {
			return nil, err
		}
		content = []byte(in.Body.Text)
		return &documentAnswer{etagOf(content), in.Body}, set(ctx, content)
	})
}

func (a *API) policyRoutes() {
	s := a.opts.Site
	addDocument(a, route{path: "/content/policy", id: "retention-policy", right: "content.read", whole: true, summary: "Read the retention policy"},
		"settings.write", s.Policy, s.SetPolicy)
	addDocument(a, route{path: "/trust/policy", id: "trust-policy", right: "trust.read", summary: "Read the trust policy"},
		"trust.write", s.TrustPolicyText, s.SetTrustPolicy)
}
