package settings

import _ "embed"

// Schema is the JSON Schema (draft 2020-12) of the configuration file. What it
// lets pass may still be refused: it knows nothing of ranges and of what goes
// together.
//
//go:embed config.schema.json
var Schema []byte
