package sitevalues

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// encode is a value as it is kept.
func encode(value any) ([]byte, error) {
	content, err := json.Marshal(value)
	if err == nil && len(content) > maxValue {
		err = fmt.Errorf("%w: it has %d bytes as JSON; at most %d are kept", registry.ErrInvalid, len(content), maxValue)
	}
	return content, err
}

// decode reads a value as package variable has them: whole numbers stay whole.
func decode(content []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one value", registry.ErrInvalid)
	}
	return numbered(value)
}

// Decode reads JSON as package variable has values: whole numbers that fit are int64,
// others float64. ErrInvalid for what is none, or more than one value.
func Decode(content []byte) (any, error) {
	value, err := decode(content)
	if err != nil {
		return nil, fmt.Errorf("%w: want one JSON value", registry.ErrInvalid) // without it: it may be a secret
	}
	return value, nil
}

// numbered has numbers instead of their texts.
func numbered(value any) (any, error) {
	var err error
	switch value := value.(type) {
	case json.Number:
		if !strings.ContainsAny(value.String(), ".eE") {
			if n, err := strconv.ParseInt(value.String(), 10, 64); err == nil {
				return n, nil
			}
		}
		return value.Float64()
	case []any:
		for i := range value {
			if value[i], err = numbered(value[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range value {
			if value[key], err = numbered(value[key]); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}
