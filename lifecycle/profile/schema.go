package profile

import _ "embed"

//go:embed profile.schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of a profile. What it lets pass may still
// be refused: it knows nothing of other files, of the order of layers and of what
// fields say of each other.
func Schema() []byte { return append([]byte(nil), schema...) }
