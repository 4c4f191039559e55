package api

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/landfall-dev/landfall/ui/landing"
)

// So many outlines are looked at at once; each has to be here within outlineTime.
const (
	outlinesAtOnce = 4
	outlineTime    = time.Minute
)

// aboutOutline is how a client makes an outline.
const aboutOutline = `Answers like bundles/inspect while the bundle is still with the client: of the file, which may have any size, only the outline is sent. bundle/FORMAT.md says what is where.

- ` + "`size`" + ` is the whole file's, in bytes. A file that was cut into parts counts as one.
- ` + "`head`" + ` is the file up to the end of its fourth entry. Entries 1 to 4 (oci-layout, index.json, landfall/bundle.json, landfall/bundle.json.sha256) stand at the front, each with one tar header of 512 bytes: its payload's size is the octal number at offset 124 of the header, and the next entry begins 512 bytes and the payload's size, rounded up to a multiple of 512, further on.
- ` + "`tailOffset`" + ` is the end of the last blob: of the last item of the member ` + "`blobs`" + ` of landfall/bundle.json, offset and size added and rounded up to a multiple of 512; the size of ` + "`head`" + ` when there are no blobs. ` + "`tail`" + ` is everything from there to the end of the file: the manifests, the signatures and two empty blocks.
- ` + "`signatures`" + ` are files of signatures beside the bundle.

Head, tail and what is between have at most 130 MiB together; a bundle that needs more is refused with 413, and can be inspected when it is here.

The answer may depend on small blobs, too: the config of an image that no index gives a platform, and the signatures of images for which the trust policy has a rule. What is missing then is listed as ` + "`ranges`" + ` of a problem of kind incomplete (422): send the same again with these ` + "`ranges`" + `, and with their bytes, one after another, as ` + "`between`" + `.

Nothing of it is kept, and nothing is believed later: what lands is read from the file itself.`

// outlineInput is read by hand: the framework would make files of a form's.
type outlineInput struct{ request *gin.Context }

// Resolve implements huma.Resolver.
func (in *outlineInput) Resolve(ctx huma.Context) []error {
	in.request = humagin.Unwrap(ctx)
	return nil
}

func (a *API) outlineRoutes() {
	r := route{method: http.MethodPost, path: "/bundles/inspect/outline", id: "inspect-outline", right: "bundles.read",
		summary: "Say what is in a bundle of which the outline is sent only", about: aboutOutline}
	add(a, r, a.inspectOutline)
	// Described only now: the framework would read what it knows of.
	a.huma.OpenAPI().Paths[Prefix+r.path].Post.RequestBody = &huma.RequestBody{Required: true,
		Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: a.outlineSchema()}}}
}

func (a *API) outlineSchema() *huma.Schema {
	number := func(doc string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: new(float64), Description: doc}
	}
	file := func(doc string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Format: "binary", Description: doc}
	}
	list := func(of *huma.Schema, most int, doc string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeArray, Items: of, MaxItems: &most, Description: doc}
	}
	some := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[landing.Range](), true, "")
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Required: []string{"size", "head", "tailOffset", "tail"}, Properties: map[string]*huma.Schema{
		"size":       number("Bytes of the whole file"),
		"head":       file("The file's first bytes, up to the end of its fourth entry"),
		"tailOffset": number("Where tail begins in the file"),
		"tail":       file("The file's last bytes, from the end of the last blob on"),
		"ranges":     list(some, maxRanges, "As JSON: what else of the file is sent, in the order of the file"),
		"between":    file("The bytes of ranges, one after another"),
		"signatures": list(file("A file of signatures beside the bundle"), maxSignatureFiles, "One part of the form for each"),
	}}
}

func (a *API) inspectOutline(ctx context.Context, in *outlineInput) (*answer[*landing.Inspection], error) {
	if err := offered(a.opts.Lander != nil, "lands no bundles"); err != nil {
		return nil, err
	}
	select {
	case a.outlines <- struct{}{}:
		defer func() { <-a.outlines }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w, r := in.request.Writer, in.request.Request
	_ = huma.SetReadDeadline(w, time.Now().Add(outlineTime))
	r.Body = http.MaxBytesReader(w, r.Body, maxOutlineForm)
	form := &outlineForm{spool: spool{folder: a.opts.Temp}}
	defer form.spool.close()
	o, err := form.read(r)
	if err != nil {
		return nil, err
	}
	return give(a.opts.Lander.InspectOutline(ctx, o))
}
