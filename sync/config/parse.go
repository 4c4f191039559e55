package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/match"
	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
)

// MaxSize bounds a mirror.yaml, in bytes.
const MaxSize = 4 << 20

// Load reads a mirror.yaml, or JSON of the same shape. Files that it names are
// found from its folder. Errors wrap registry.ErrInvalid and tell line, column
// and field; Schema says what may be there.
func Load(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content := make([]byte, MaxSize+1)
	n, err := readUpTo(f, content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return Parse(path, content[:n])
}

// Parse is Load of content that is at hand; name is what errors begin with, and
// files are found from its folder.
func Parse(name string, content []byte) (*File, error) {
	p := &parser{folder: filepath.Dir(name), compiler: match.NewCompiler()}
	if err := p.file(content); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &p.File, nil
}

// parser fills a File.
type parser struct {
	File
	folder   string
	compiler *match.Compiler
}

// part is a field and what reads it.
type part struct {
	name string
	read func(strictyaml.Field) error
}

// parts reads the fields of a mapping in the order of the list.
func parts(f strictyaml.Field, list ...part) (map[string]strictyaml.Field, error) {
	var known []string
	for _, p := range list {
		known = append(known, p.name)
	}
	fields, err := f.Fields(known...)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if f, ok := fields[p.name]; ok {
			if err := p.read(f); err != nil {
				return nil, err
			}
		}
	}
	return fields, nil
}

// text is a part that is one value.
func text[T any](name string, to *T, parse func(string) (T, error)) part {
	return part{name, func(f strictyaml.Field) (err error) {
		*to, err = strictyaml.Text(f, parse)
		return err
	}}
}

// list is a part that is one value or a list of them.
func list[T any](name string, to *[]T, parse func(string) (T, error)) part {
	return part{name, func(f strictyaml.Field) (err error) {
		if _, isList := f.List(); isList != nil {
			one, err := strictyaml.Text(f, parse)
			*to = []T{one}
			return err
		}
		*to, err = strictyaml.List(f, parse)
		return err
	}}
}

func (p *parser) file(content []byte) error {
	if len(content) > MaxSize {
		return fmt.Errorf("%w: larger than %d bytes", registry.ErrInvalid, MaxSize)
	}
	root, err := strictyaml.Read(content, registry.ErrInvalid)
	if err != nil {
		return err
	}
	var format string
	fields, err := parts(root,
		text("version", &format, parseVersion),
		text("offline", &p.Offline, parseBool),
		part{"registries", p.registries},
		part{"mirrors", p.mirrors})
	if err != nil {
		return err
	}
	if _, ok := fields["mirrors"]; !ok || len(p.Mirrors) == 0 {
		return root.Errorf("mirrors is missing: nothing would be mirrored")
	}
	return nil
}

func parseVersion(text string) (string, error) {
	if text != "1" {
		return "", errors.New("not a version that is known here (1)")
	}
	return text, nil
}

func parseBool(text string) (bool, error) {
	if text != "true" && text != "false" {
		return false, errors.New("true or false is wanted")
	}
	return text == "true", nil
}

func (p *parser) registries(f strictyaml.Field) error {
	fields, err := f.List()
	for _, f := range fields {
		r, err := p.registry(f)
		if err != nil {
			return err
		}
		for _, other := range p.Registries {
			if other.Host == r.Host {
				return f.Errorf("host %s is there twice", r.Host)
			}
		}
		p.Registries = append(p.Registries, r)
	}
	return err
}

func (p *parser) registry(f strictyaml.Field) (r Registry, err error) {
	h := &r.Remote
	fields, err := parts(f,
		text("host", &r.Host, parseHost),
		list("endpoints", &h.Endpoints, parseEndpoint),
		text("plainHTTP", &h.PlainHTTP, parseBool),
		text("ca", &h.CAFile, p.path),
		text("clientCert", &h.CertFile, p.path),
		text("clientKey", &h.KeyFile, p.path),
		part{"credentials", func(f strictyaml.Field) error { return p.credentials(f, &r) }},
		part{"limits", func(f strictyaml.Field) error { return p.limits(f, &r) }},
		part{"windows", func(f strictyaml.Field) (err error) { r.Windows, err = p.windows(f); return err }},
		text("timeout", &h.Stall, parseTimeout))
	if err != nil {
		return r, err
	}
	if _, ok := fields["host"]; !ok {
		return r, f.Errorf("host is missing")
	}
	if (h.CertFile == "") != (h.KeyFile == "") {
		return r, f.Errorf("clientCert and clientKey belong together")
	}
	if plain, ok := fields["plainHTTP"]; ok && h.PlainHTTP && len(h.Endpoints) > 0 {
		return r, plain.Errorf("endpoints say by themselves whether they are http")
	}
	return r, nil
}

// path is a file's, from the folder of mirror.yaml.
func (p *parser) path(text string) (string, error) {
	switch {
	case text == "":
		return "", errors.New("it is empty")
	case filepath.IsAbs(text):
		return filepath.Clean(text), nil
	}
	return filepath.Join(p.folder, text), nil
}

// parseHost wants what stands before the first slash of a name.
func parseHost(text string) (string, error) {
	ref, err := registry.ParseName(text + "/a:0")
	if host, _, ok := registry.CutHost(ref.Repository); err != nil || !ok || host != text {
		return "", errors.New("want a host as in names, like registry.example.com or 10.0.0.5:5000")
	}
	return text, nil
}

func parseEndpoint(text string) (string, error) {
	if !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://") {
		return "", errors.New("want https://host[:port][/prefix], or http://")
	}
	return text, nil
}

func parseTimeout(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d > time.Hour {
		return 0, errors.New("want a time from 1s to 1h")
	}
	return d, nil
}

// ways are the fields of credentials that go together.
const ways = "username with passwordFile or passwordEnv, or one of tokenFile, tokenEnv, dockerConfig, helper"

func (p *parser) credentials(f strictyaml.Field, r *Registry) error {
	c := &r.Remote.Credentials
	fields, err := parts(f,
		text("username", &c.Username, notEmpty),
		text("passwordFile", &c.PasswordFile, p.path),
		text("passwordEnv", &c.PasswordEnv, parseVariable),
		text("tokenFile", &c.TokenFile, p.path),
		text("tokenEnv", &c.TokenEnv, parseVariable),
		text("dockerConfig", &c.DockerConfig, p.path),
		text("helper", &c.Helper, parseHelper))
	if err != nil {
		return err
	}
	wanted := 1
	if c.Username != "" {
		wanted = 2
	}
	password := c.PasswordFile != "" || c.PasswordEnv != ""
	if len(fields) != wanted || (c.Username != "") != password {
		return f.Errorf("want %s", ways)
	}
	return nil
}

func notEmpty(text string) (string, error) {
	if text == "" {
		return "", errors.New("it is empty")
	}
	return text, nil
}

var (
	variablePattern = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]*\z`)
	helperPattern   = regexp.MustCompile(`\A[a-z0-9]+([._-][a-z0-9]+)*\z`)
)

func parseVariable(text string) (string, error) {
	if !variablePattern.MatchString(text) {
		return "", errors.New("not the name of an environment variable")
	}
	return text, nil
}

func parseHelper(text string) (string, error) {
	if !helperPattern.MatchString(text) {
		return "", errors.New("want NAME of docker-credential-NAME")
	}
	return text, nil
}

func (p *parser) limits(f strictyaml.Field, r *Registry) error {
	_, err := parts(f,
		text("requests", &r.Remote.Requests, parseRequests),
		text("bytes", &r.Remote.Bytes, parseRate),
		text("transfers", &r.Transfers, whole(1, 64)))
	return err
}

func parseRequests(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0.01 && n <= 10_000) {
		return 0, errors.New("want requests per second, 0.01 to 10000")
	}
	return n, nil
}

// parseRate reads a size for each second.
func parseRate(text string) (int64, error) { return units.ParseSize(strings.TrimSuffix(text, "/s")) }

func whole(from, to int) func(string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < from || n > to {
			return 0, fmt.Errorf("want a whole number from %d to %d", from, to)
		}
		return n, nil
	}
}

func (p *parser) windows(f strictyaml.Field) (*Windows, error) {
	w := &Windows{zone: time.Local}
	var times []string
	read := list("times", &times, func(text string) (string, error) { return text, w.add(text) })
	if _, plain := f.Fields("times", "zone"); plain != nil {
		return w, read.read(f) // the times alone
	}
	fields, err := parts(f, read, text("zone", &w.zone, time.LoadLocation))
	if _, ok := fields["times"]; err == nil && !ok {
		err = f.Errorf("times is missing")
	}
	return w, err
}
