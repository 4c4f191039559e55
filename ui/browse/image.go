package browse

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// ImageConfig is what an image's config says of it.
type ImageConfig struct {
	Created      time.Time         `json:"created,omitzero"`
	Author       string            `json:"author,omitempty"`
	OS           string            `json:"os,omitempty"`
	Architecture string            `json:"architecture,omitempty"`
	Variant      string            `json:"variant,omitempty"`
	User         string            `json:"user,omitempty" doc:"Whom it runs as; root when absent"`
	WorkingDir   string            `json:"workingDir,omitempty"`
	Entrypoint   []string          `json:"entrypoint"`
	Cmd          []string          `json:"cmd"`
	Environment  int               `json:"environment" doc:"How many variables it sets"`
	ExposedPorts []string          `json:"exposedPorts"`
	Volumes      []string          `json:"volumes"`
	Labels       map[string]string `json:"labels"`
}

// maxConfig bounds the config of an image, in bytes.
const maxConfig = 4 << 20

// configDocument is what is read of an image's config (OCI image-spec, "Image
// Configuration").
type configDocument struct {
	Created      string `json:"created"`
	Author       string `json:"author"`
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
	Config       struct {
		User         string                     `json:"User"`
		WorkingDir   string                     `json:"WorkingDir"`
		Entrypoint   []string                   `json:"Entrypoint"`
		Cmd          []string                   `json:"Cmd"`
		Env          []string                   `json:"Env"`
		ExposedPorts map[string]json.RawMessage `json:"ExposedPorts"`
		Volumes      map[string]json.RawMessage `json:"Volumes"`
		Labels       map[string]string          `json:"Labels"`
	} `json:"config"`
}

// parseConfig reads an image's config. A field of a wrong type is left out, and
// told as the error beside the rest.
func parseConfig(content []byte) (*ImageConfig, error) {
	var doc configDocument
	err := json.Unmarshal(content, &doc)
	if wrong := (*json.UnmarshalTypeError)(nil); err != nil && !errors.As(err, &wrong) {
		return nil, fmt.Errorf("%w: config: %w", registry.ErrInvalid, err)
	}
	if err != nil {
		err = fmt.Errorf("%w: config: %w", registry.ErrInvalid, err)
	}
	c := doc.Config
	image := &ImageConfig{
		Author: doc.Author, OS: doc.OS, Architecture: doc.Architecture, Variant: doc.Variant, User: c.User, WorkingDir: c.WorkingDir,
		Entrypoint: append([]string{}, c.Entrypoint...), Cmd: append([]string{}, c.Cmd...), Environment: len(c.Env),
		ExposedPorts: keys(c.ExposedPorts), Volumes: keys(c.Volumes), Labels: map[string]string{},
	}
	maps.Copy(image.Labels, c.Labels)
	if doc.Created != "" {
		created, timeErr := time.Parse(time.RFC3339, doc.Created)
		if _, writeErr := created.UTC().MarshalJSON(); timeErr != nil || writeErr != nil { // such as a year that is too great
			return image, errors.Join(err, fmt.Errorf("%w: config: created %.40q is not a time", registry.ErrInvalid, doc.Created))
		}
		image.Created = created.UTC()
	}
	return image, err
}

// keys are those of a map, sorted; never nil.
func keys[T any](m map[string]T) []string {
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(m))))
}
