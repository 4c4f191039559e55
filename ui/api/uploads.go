package api

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/upload"
)

// UploadsPath is where uploads are: package upload serves them, by the tus
// protocol. Here they are described only.
const UploadsPath = "/uploads"

// uploadRoute is an operation of package upload.
type uploadRoute struct {
	method, path, id, summary string
	params                    []*huma.Param
	bytes                     bool // of the file are the body
	status                    int
	answer                    reflect.Type // nil: nothing
	headers                   []string     // of the answer
}

// header is a parameter that tus has.
func header(name, doc string, required bool) *huma.Param {
	return &huma.Param{Name: name, In: "header", Description: doc, Required: required, Schema: &huma.Schema{Type: huma.TypeString}}
}

func queryParam(name, kind, doc string) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: doc, Schema: &huma.Schema{Type: kind}}
}

// uploadRoutes describes uploads to those who read the document.
func (a *API) uploadRoutes() {
	one := UploadsPath + "/{id}"
	resumable := header("Tus-Resumable", "1.0.0", true)
	offset := header("Upload-Offset", "How many bytes are there", true)
	checksum := header("Upload-Checksum", "sha256 or sha1, and the Base64 of the body's digest", false)
	for _, r := range []uploadRoute{
		{method: http.MethodOptions, path: UploadsPath, id: "get-upload-protocol", summary: "Say what of tus is spoken", status: http.StatusNoContent,
			headers: []string{"Tus-Version", "Tus-Extension", "Tus-Checksum-Algorithm", "Tus-Max-Size"}},
		{method: http.MethodGet, path: UploadsPath, id: "list-uploads", summary: "List one's uploads", answer: reflect.TypeFor[upload.List](),
			params: []*huma.Param{queryParam("after", huma.TypeString, "Those after this id: next of the page before"),
				queryParam("limit", huma.TypeInteger, "At most so many, up to 1000"), queryParam("fingerprint", huma.TypeString, "With this fingerprint only"),
				queryParam("all", huma.TypeBoolean, "Those of everybody, for administrators")}},
		{method: http.MethodPost, path: UploadsPath, id: "create-upload", summary: "Begin an upload, or join its parts (tus creation, concatenation)", status: http.StatusCreated, bytes: true,
			params: []*huma.Param{resumable, header("Upload-Length", "The size of the file", false), checksum,
				header("Upload-Metadata", "filename, kind, sha256, fingerprint; group, offset and total of a part", false),
				header("Upload-Concat", "partial, or final; and the parts in order", false)},
			headers: []string{"Location", "Upload-Offset", "Upload-Expires"}},
		{method: http.MethodGet, path: one, id: "get-upload", summary: "Read an upload", answer: reflect.TypeFor[upload.Upload]()},
		{method: http.MethodHead, path: one, id: "get-upload-offset", summary: "Say how far an upload is (tus core)", params: []*huma.Param{resumable},
			headers: []string{"Upload-Offset", "Upload-Length", "Upload-Metadata", "Upload-Concat", "Upload-Expires"}},
		{method: http.MethodPatch, path: one, id: "append-to-upload", summary: "Append bytes (tus core)", status: http.StatusNoContent, bytes: true,
			params: []*huma.Param{resumable, offset, checksum}, headers: []string{"Upload-Offset", "Upload-Expires"}},
		{method: http.MethodDelete, path: one, id: "delete-upload", summary: "Remove an upload (tus termination)", status: http.StatusNoContent, params: []*huma.Param{resumable}},
	} {
		a.describeUpload(r)
	}
}

func (a *API) describeUpload(r uploadRoute) {
	schemas := a.huma.OpenAPI().Components.Schemas
	op := a.operation(route{method: r.method, path: r.path, id: r.id, right: auth.UploadsWrite, summary: r.summary, status: r.status})
	op.Parameters = r.params
	if r.path != UploadsPath {
		op.Parameters = append([]*huma.Param{{Name: "id", In: "path", Required: true, Description: "The upload's id", Schema: &huma.Schema{Type: huma.TypeString}}}, r.params...)
	}
	if r.bytes {
		op.RequestBody = &huma.RequestBody{Description: "Bytes of the file", Content: map[string]*huma.MediaType{
			"application/offset+octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}
	}
	if r.status == 0 {
		r.status = http.StatusOK
	}
	good := &huma.Response{Description: http.StatusText(r.status), Headers: map[string]*huma.Param{}}
	for _, name := range r.headers {
		good.Headers[name] = &huma.Param{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	if r.answer != nil {
		good.Content = map[string]*huma.MediaType{typeJSON: {Schema: schemas.Schema(r.answer, true, "")}}
	}
	op.Responses = map[string]*huma.Response{
		strconv.Itoa(r.status): good,
		"default": {Description: "Error", Content: map[string]*huma.MediaType{
			typeProblem: {Schema: schemas.Schema(reflect.TypeFor[Problem](), true, "")}}},
	}
	a.huma.OpenAPI().AddOperation(&op)
}
