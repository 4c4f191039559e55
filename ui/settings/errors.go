package settings

import (
	"fmt"

	"github.com/landfall-dev/landfall/registry"
)

// Where a value comes from.
const (
	FromDefault = "default"
	FromFile    = "file"
	FromEnv     = "env"
	FromFlag    = "flag"
	FromSetting = "setting"
)

// Origin is where a value comes from.
type Origin struct {
	Kind  string `json:"kind"`            // default, file, env, flag, setting
	Place string `json:"place,omitempty"` // /etc/landfall/config.yaml:12, LANDFALL_DATA, --data
}

// String names the origin for people.
func (o Origin) String() string {
	switch o.Kind {
	case FromEnv, FromFlag:
		return o.Kind + " " + o.Place
	case FromFile:
		return o.Place
	}
	return o.Kind
}

// FieldError is an ErrInvalid: a value is none of its field's.
type FieldError struct {
	Field  string
	Origin Origin
	Value  string // as written
	Want   string // "want true or false"
}

func (e *FieldError) Error() string {
	place := e.Field
	if e.Origin.Place != "" {
		place = e.Origin.Place + ": " + e.Field
	}
	return fmt.Sprintf("%s: %v: %.80q: %s", place, registry.ErrInvalid, e.Value, e.Want)
}

// Is makes the error an ErrInvalid.
func (e *FieldError) Is(target error) bool { return target == registry.ErrInvalid }

// FixedError is an ErrConflict: a value cannot be changed while the appliance
// runs, since whoever started it has said what it is.
type FixedError struct {
	Field  string
	Origin Origin
}

func (e *FixedError) Error() string {
	return fmt.Sprintf("%s: %v: %s says what it is; change it there", e.Field, registry.ErrConflict, e.Origin)
}

// Is makes the error an ErrConflict.
func (e *FixedError) Is(target error) bool { return target == registry.ErrConflict }

// VersionError is an ErrConflict: somebody else has changed the settings.
type VersionError struct{ Expected, Actual int64 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("settings: %v: version %d was expected, and it is %d: read them again", registry.ErrConflict, e.Expected, e.Actual)
}

// Is makes the error an ErrConflict.
func (e *VersionError) Is(target error) bool { return target == registry.ErrConflict }
