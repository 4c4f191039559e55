package profile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/internal/version"
	"github.com/landfall-dev/landfall/registry"
)

// maxFolder bounds how many files of a folder are looked into.
const maxFolder = 1000

// found is a file of a folder that says it is a profile.
type found struct{ file, name, version string }

// find is the file of an included profile, and its folder from the outermost
// profile's; "" when there is none.
func (d *document) find(f strictyaml.Field, i *inclusion) (file, base string) {
	shown := d.shownPath(i.path)
	info, err := os.Stat(shown)
	if err != nil {
		text, _ := fileError(err)
		d.notFound(f, "%s: %s; paths are from the folder of the profile's file", shown, text)
		return "", ""
	}
	if !info.IsDir() {
		return shown, filepath.Dir(i.path)
	}
	list, err := d.profilesIn(shown)
	if err != nil {
		d.fail(f, "%v", err)
		return "", ""
	}
	return d.choose(f, i, shown, list), i.path
}

// choose takes the one file of the name and version that are wanted.
func (d *document) choose(f strictyaml.Field, i *inclusion, folder string, list []found) string {
	var names, versions, files []string
	for _, p := range list {
		if i.name != "" && p.name != i.name {
			continue
		}
		if !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
		versions = append(versions, p.version)
		if p.version == i.version {
			files = append(files, p.file)
		}
	}
	slices.SortFunc(versions, version.Compare)
	versions = slices.Compact(versions)
	switch {
	case len(names) == 0 && i.name != "":
		d.notFound(f, "%s has no profile %s; put it there, or change path", folder, i.name)
	case len(names) == 0:
		d.notFound(f, "%s has no profile; put it there, or change path", folder)
	case len(names) > 1:
		d.fail(f, "%s has profiles of several names (%s); add name: to say which", folder, strings.Join(names, ", "))
	case len(files) == 0:
		d.notFound(f, "missing version: %s %s is not in %s; there are %s; take one of these, or put the file there", names[0], i.version, folder, strings.Join(versions, ", "))
	case len(files) > 1:
		d.fail(f, "%s has %s %s twice (%s); take one out, or name the file in path", folder, names[0], i.version, strings.Join(files, ", "))
	default:
		return filepath.Join(folder, files[0])
	}
	return ""
}

// profilesIn are the profiles in a folder, in the order of their files' names.
func (r *reader) profilesIn(folder string) ([]found, error) {
	if list, done := r.folders[folder]; done {
		return list, nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	if len(entries) > maxFolder {
		return nil, fmt.Errorf("%s has more than %d files; name the profile's file in path", folder, maxFolder)
	}
	var list []found
	for _, e := range entries {
		if !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name())) {
			continue
		}
		content, err := readFile(filepath.Join(folder, e.Name()))
		if err != nil {
			continue
		}
		if name, version, ok := header(content); ok {
			list = append(list, found{e.Name(), name, version})
		}
	}
	r.folders[folder] = list
	return list, nil
}

// header is the name and version of what says that it is a profile.
func header(content []byte) (name, version string, ok bool) {
	root, err := strictyaml.Read(content, registry.ErrInvalid)
	if err != nil {
		return "", "", false
	}
	text := func(fields map[string]strictyaml.Field, name string) string {
		if f, ok := fields[name]; ok {
			text, _ := f.Text()
			return text
		}
		return ""
	}
	fields, _ := root.KnownFields("apiVersion", "kind", "metadata")
	if text(fields, "kind") != Kind {
		return "", "", false
	}
	if metadata, has := fields["metadata"]; has {
		fields, _ = metadata.KnownFields("name", "version")
		name, version = text(fields, "name"), text(fields, "version")
	}
	return name, version, name != "" && version != ""
}
