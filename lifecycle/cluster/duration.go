package cluster

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// Duration is a time that documents write as text: 10m, 1h30m.
type Duration time.Duration

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(content []byte) error {
	var text string
	if err := json.Unmarshal(content, &text); err != nil {
		return fmt.Errorf("%w: want a time as text, like \"10m\"", registry.ErrInvalid)
	}
	t, err := time.ParseDuration(text)
	if err != nil || t < 0 {
		return fmt.Errorf("%w: %q: want a time like 10m", registry.ErrInvalid, text)
	}
	*d = Duration(t)
	return nil
}
