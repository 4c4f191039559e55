package cluster

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/lifecycle/source"
	"github.com/landfall-dev/landfall/registry"
)

// MaxSize bounds a document, in bytes.
const MaxSize = 1 << 20

// Parse reads a document, and fills in defaults. All that is wrong is in the error, each
// with its line, and each registry.ErrInvalid. name is what the file is called.
func Parse(name string, content []byte) (*Spec, error) {
	if len(content) > MaxSize {
		return nil, fmt.Errorf("%s: %w: it is larger than %d bytes", name, registry.ErrInvalid, MaxSize)
	}
	root, err := strictyaml.Read(content, registry.ErrInvalid)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r := &reader{file: name, spec: &Spec{}, at: map[string]strictyaml.Field{}}
	r.document(root)
	if len(r.errs) == 0 {
		r.spec.fill()
		r.validate(root)
	}
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	return r.spec, nil
}

// reader reads one document.
type reader struct {
	file string
	spec *Spec
	at   map[string]strictyaml.Field // places of fields, by the names that validate uses
	errs []error
}

func (r *reader) wrong(err error) bool {
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %w", r.file, err))
	}
	return err != nil
}

// part reads one field.
type part struct {
	name string
	read func(f strictyaml.Field)
}

// object reads the fields of a mapping.
func (r *reader) object(f strictyaml.Field, parts ...part) map[string]strictyaml.Field {
	names := make([]string, 0, len(parts))
	for _, p := range parts {
		names = append(names, p.name)
	}
	fields, errs := f.KnownFields(names...)
	for _, err := range errs {
		r.wrong(err)
	}
	for _, p := range parts {
		if value, ok := fields[p.name]; ok {
			p.read(value)
		}
	}
	return fields
}

func (r *reader) needs(f strictyaml.Field, fields map[string]strictyaml.Field, name, example string) {
	if _, ok := fields[name]; !ok {
		r.wrong(f.Errorf("%s is missing: %s: %s", name, name, example))
	}
}

// field reads a field with a parser.
func field[T any](r *reader, name string, to *T, parse func(string) (T, error)) part {
	return part{name, func(f strictyaml.Field) {
		value, err := strictyaml.Text(f, parse)
		if !r.wrong(err) {
			*to = value
			r.at[f.Path()] = f
		}
	}}
}

func (r *reader) text(name string, to *string) part {
	return field(r, name, to, func(text string) (string, error) { return text, nil })
}

// list reads the elements of a list.
func (r *reader) list(name string, read func(f strictyaml.Field)) part {
	return part{name, func(f strictyaml.Field) {
		r.at[f.Path()] = f
		elements, err := f.List()
		if r.wrong(err) {
			return
		}
		for _, e := range elements {
			r.at[e.Path()] = e
			read(e)
		}
	}}
}

func (r *reader) texts(name string, to *[]string) part {
	return r.list(name, func(f strictyaml.Field) {
		text, err := f.Text()
		if !r.wrong(err) {
			*to = append(*to, text)
		}
	})
}

// pairs reads a mapping of texts by names of the writer's own.
func (r *reader) pairs(name string, to *map[string]string) part {
	return part{name, func(f strictyaml.Field) {
		entries, err := f.Entries()
		if r.wrong(err) {
			return
		}
		*to = map[string]string{}
		for _, e := range entries {
			text, err := e.Value.Text()
			if !r.wrong(err) {
				(*to)[e.Key] = text
			}
		}
	}}
}

// free reads a mapping of any shape.
func (r *reader) free(name string, to *map[string]any) part {
	return part{name, func(f strictyaml.Field) {
		value, err := f.Free(strictyaml.Limits{})
		if r.wrong(err) {
			return
		}
		m, ok := value.(map[string]any)
		if !ok {
			r.wrong(f.Errorf("want fields, name: value"))
		}
		*to = m
	}}
}

func number(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, errors.New("want a number, 1 or more")
	}
	return n, nil
}

func truth(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("want true or false")
}

func duration(text string) (Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, errors.New("want a time like 10m or 1h30m")
	}
	return Duration(d), nil
}

func (r *reader) document(root strictyaml.Field) {
	version, kind, s := "", "", r.spec
	fields := r.object(root, r.text("apiVersion", &version), r.text("kind", &kind),
		part{"metadata", func(f strictyaml.Field) {
			r.needs(f, r.object(f, r.text("name", &s.Name)), "name", "shop")
		}},
		part{"spec", r.specification})
	if version != APIVersion || kind != Kind {
		r.errs = nil // what else there may be depends on that
		r.wrong(root.Errorf("want a cluster, which begins with apiVersion: %s and kind: %s", APIVersion, Kind))
		return
	}
	r.needs(root, fields, "metadata", "{name: shop}")
	r.needs(root, fields, "spec", "with definition and controlPlane")
}

func (r *reader) specification(f strictyaml.Field) {
	s := r.spec
	fields := r.object(f, r.text("definition", &s.Definition),
		part{"source", r.source},
		part{"controlPlane", func(f strictyaml.Field) {
			fields := r.object(f, r.texts("hosts", &s.ControlPlane.Hosts), field(r, "workloads", &s.ControlPlane.Workloads, truth))
			r.needs(f, fields, "hosts", "[edge1]")
		}},
		r.list("workers", r.pool),
		part{"network", r.network},
		part{"proxy", func(f strictyaml.Field) {
			r.object(f, r.text("http", &s.Proxy.HTTP), r.text("https", &s.Proxy.HTTPS), r.texts("no", &s.Proxy.No))
		}},
		r.texts("timeServers", &s.TimeServers),
		r.free("variables", &s.Variables),
		r.pairs("valueSets", &s.ValueSets),
		part{"kubeadm", r.kubeadm},
		part{"upgrade", r.upgrade})
	r.needs(f, fields, "definition", "edge:1.0.0")
	r.needs(f, fields, "controlPlane", "{hosts: [edge1]}")
}

func (r *reader) source(f strictyaml.Field) {
	s := &r.spec.Source
	r.object(f, field(r, "type", &s.Type, func(text string) (source.Type, error) { return source.Type(text), nil }), r.text("url", &s.URL),
		r.text("project", &s.Project), r.text("prefix", &s.Prefix), r.text("username", &s.Username),
		part{"ca", func(f strictyaml.Field) {
			text, err := f.Block(64 << 10)
			if !r.wrong(err) {
				s.CA = text
			}
		}})
}

func (r *reader) pool(f strictyaml.Field) {
	p := Pool{}
	fields := r.object(f, r.text("name", &p.Name), r.texts("hosts", &p.Hosts), r.pairs("labels", &p.Labels), r.list("taints", func(f strictyaml.Field) {
		t := Taint{}
		r.needs(f, r.object(f, r.text("key", &t.Key), r.text("value", &t.Value), r.text("effect", &t.Effect)), "effect", "NoSchedule")
		p.Taints = append(p.Taints, t)
	}))
	r.needs(f, fields, "name", "workers")
	r.needs(f, fields, "hosts", "[edge2, edge3]")
	r.spec.Workers = append(r.spec.Workers, p)
}

func (r *reader) network(f strictyaml.Field) {
	n := &r.spec.Network
	r.object(f, r.text("pods", &n.Pods), r.text("services", &n.Services), r.text("domain", &n.Domain), r.text("virtualAddress", &n.VirtualAddress),
		r.text("interface", &n.Interface), field(r, "port", &n.Port, number), r.text("proxyMode", &n.ProxyMode))
}

func (r *reader) kubeadm(f strictyaml.Field) {
	k := &r.spec.Kubeadm
	r.object(f, r.texts("ignorePreflightErrors", &k.IgnorePreflightErrors), r.pairs("apiServerArgs", &k.APIServerArgs),
		r.pairs("controllerManagerArgs", &k.ControllerManagerArgs), r.pairs("schedulerArgs", &k.SchedulerArgs), r.pairs("kubeletArgs", &k.KubeletArgs),
		r.free("kubelet", &k.Kubelet), r.free("proxy", &k.Proxy))
}

func (r *reader) upgrade(f strictyaml.Field) {
	u := &r.spec.Upgrade
	r.object(f, field(r, "wave", &u.Wave, number), field(r, "drain", &u.Drain, duration), field(r, "health", &u.Health, duration),
		r.list("windows", func(f strictyaml.Field) {
			w := Window{}
			fields := r.object(f, r.texts("days", &w.Days), r.text("start", &w.Start), field(r, "duration", &w.Duration, duration))
			r.needs(f, fields, "start", "02:00")
			r.needs(f, fields, "duration", "4h")
			u.Windows = append(u.Windows, w)
		}))
}
