package config

import _ "embed"

// Schema is the JSON Schema (draft 2020-12) of mirror.yaml. What it lets pass may
// still be refused: it knows nothing of files, globs and ranges.
//
//go:embed mirror.schema.json
var Schema []byte
