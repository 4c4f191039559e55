package variable_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

func ptr(f float64) *float64 { return &f }

// rule is the rule that an error says was broken, "" of no error.
func rule(t *testing.T, err error) string {
	t.Helper()
	var broken *variable.RuleError
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &broken) || !errors.Is(err, registry.ErrInvalid):
		t.Fatalf("%v is no broken rule", err)
	}
	return broken.Rule
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d     variable.Declaration
		value any
		want  any    // nil: refused
		rule  string // by
	}{
		{variable.Declaration{Type: variable.String}, "Größe", "Größe", ""},
		{variable.Declaration{Type: variable.String}, 1.5, nil, "type"},
		{variable.Declaration{Type: variable.String}, "x\xff", nil, "size"},
		{variable.Declaration{Type: variable.String}, strings.Repeat("x", 1<<20+1), nil, "size"},
		{variable.Declaration{Type: variable.String, Min: ptr(5), Max: ptr(5)}, "Größe", "Größe", ""},
		{variable.Declaration{Type: variable.String, Max: ptr(4)}, "Größe", nil, "max"},
		{variable.Declaration{Type: variable.String, Min: ptr(1)}, "", nil, "min"},
		{variable.Declaration{Type: variable.String, Pattern: "a|bc"}, "bc", "bc", ""},
		{variable.Declaration{Type: variable.String, Pattern: "a|bc"}, "abc", nil, "pattern"},
		{variable.Declaration{Type: variable.String, Pattern: "^a+$"}, "aa\n", nil, "pattern"},
		{variable.Declaration{Type: variable.String, Allowed: []any{"a", "b"}}, "b", "b", ""},
		{variable.Declaration{Type: variable.String, Allowed: []any{"a", "b"}}, "c", nil, "allowed"},
		{variable.Declaration{Type: variable.Integer}, 3.0, int64(3), ""},
		{variable.Declaration{Type: variable.Integer}, json.Number("9007199254740993"), int64(9007199254740993), ""},
		{variable.Declaration{Type: variable.Integer}, uint8(3), int64(3), ""},
		{variable.Declaration{Type: variable.Integer}, 3.5, nil, "type"},
		{variable.Declaration{Type: variable.Integer}, "3", nil, "type"},
		{variable.Declaration{Type: variable.Integer, Format: "port"}, 70000, nil, "format"},
		{variable.Declaration{Type: variable.Integer, Format: "port"}, 443, int64(443), ""},
		{variable.Declaration{Type: variable.Integer, Min: ptr(1)}, 0, nil, "min"},
		{variable.Declaration{Type: variable.Integer, Allowed: []any{1, 3.0, 5}}, 3, int64(3), ""},
		{variable.Declaration{Type: variable.Number}, 3, 3.0, ""},
		{variable.Declaration{Type: variable.Number, Allowed: []any{1, 2.5}}, 1.0, 1.0, ""},
		{variable.Declaration{Type: variable.Number, Max: ptr(2.5)}, 2.6, nil, "max"},
		{variable.Declaration{Type: variable.Boolean}, false, false, ""},
		{variable.Declaration{Type: variable.Boolean}, "false", nil, "type"},
		{variable.Declaration{Type: variable.List}, []string{"a"}, []any{"a"}, ""},
		{variable.Declaration{Type: variable.List}, []any{1.0, map[string]any{"a": 2}}, []any{int64(1), map[string]any{"a": int64(2)}}, ""},
		{variable.Declaration{Type: variable.List, Max: ptr(1)}, []any{1, 2}, nil, "max"},
		{variable.Declaration{Type: variable.List, Format: "ip"}, []any{"192.0.2.1", "::1"}, []any{"192.0.2.1", "::1"}, ""},
		{variable.Declaration{Type: variable.List, Format: "ip"}, []any{"192.0.2.1", "host"}, nil, "format"},
		{variable.Declaration{Type: variable.List, Allowed: []any{"a", "b"}}, []any{"a", "c"}, nil, "allowed"},
		{variable.Declaration{Type: variable.List, Pattern: "[a-z]+"}, []any{"a", 1}, nil, "pattern"},
		{variable.Declaration{Type: variable.Object}, map[string]any{"a": []any{nil}}, map[string]any{"a": []any{nil}}, ""},
		{variable.Declaration{Type: variable.Object}, []any{}, nil, "type"},
		{variable.Declaration{Type: variable.Object}, map[int]string{1: "a"}, nil, "size"},
		{variable.Declaration{Type: variable.Object}, deep(100), nil, "size"},
		{variable.Declaration{Type: "text"}, "a", nil, "type"},
		{variable.Declaration{Type: variable.String}, nil, nil, "type"},
	} {
		c.d.Name = "v"
		got, err := c.d.Check(c.value)
		if r := rule(t, err); r != c.rule {
			t.Errorf("%+v, %.40v: rule %q, want %q: %v", c.d, c.value, r, c.rule, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v, %.40v: %s", c.d, c.value, diff)
		}
	}
}

func deep(n int) any {
	v := map[string]any{}
	for range n {
		v = map[string]any{"a": v}
	}
	return v
}

// Each format takes its samples and its own example, and refuses what is close to it.
func TestFormats(t *testing.T) {
	t.Parallel()
	samples := map[string]struct{ good, bad []string }{
		"base64":   {[]string{"aGk=", "YWJj"}, []string{"", "aGk", "aGk=\n", "a-k="}},
		"cidr":     {[]string{"10.0.0.0/8", "2001:db8::/32", "10.0.0.5/24"}, []string{"10.0.0.0", "10.0.0.0/33", "10.0.0/8"}},
		"duration": {[]string{"90s", "1h30m", "0"}, []string{"90", "1d", ""}},
		"email":    {[]string{"ops@example.com"}, []string{"ops", "Ops <ops@example.com>", "a@b@c", ""}},
		"fqdn":     {[]string{"app.example.com", "a.b."}, []string{"app", "app..com", "-a.example.com", "1.2.3.4", "a.b.1"}},
		"hostname": {[]string{"app", "App-1.example.com", "1a"}, []string{"", "app_1", "-a", "a-", "10.0.0.1", strings.Repeat("a", 64)}},
		"image":    {[]string{"nginx", "registry.example.com:5000/a/b:1.2", "a@sha256:" + strings.Repeat("a", 64)}, []string{"", "A", "http://x/y", "a:b:c", "${var.x}"}},
		"ip":       {[]string{"10.0.0.1", "::1"}, []string{"10.0.0", "010.0.0.1", "fe80::1%eth0", "10.0.0.1/8"}},
		"ipv4":     {[]string{"10.0.0.1"}, []string{"::1", "10.0.0.256"}},
		"ipv6":     {[]string{"::1", "2001:db8::5"}, []string{"10.0.0.1", "fe80::1%eth0", ":::1"}},
		"mac":      {[]string{"02:00:00:aa:BB:01", "02-00-00-00-00-01"}, []string{"02:00:00:00:00", "02:00:00:00:00:00:00:01", "x"}},
		"pem":      {[]string{"-----BEGIN A-----\naGk=\n-----END A-----", "-----BEGIN A-----\naGk=\n-----END A-----\n\n-----BEGIN B-----\naGk=\n-----END B-----\n"}, []string{"", "aGk=", "x\n-----BEGIN A-----\naGk=\n-----END A-----\n", "-----BEGIN A-----\naGk=\n-----END A-----\nx"}},
		"port":     {[]string{"1", "65535"}, []string{"0", "65536", "080", "+1", "http"}},
		"quantity": {[]string{"500m", "10Gi", "1.5", ".5", "1e3", "-1", "5."}, []string{"", "10gb", "10 Gi", "Gi", "1e", "1.5.2"}},
		"semver":   {[]string{"1.2.3", "1.0.0-rc.1+build.5", "0.0.0"}, []string{"1.2", "v1.2.3", "01.2.3", "1.2.3-01", "1.2.3-", "1.2.3\n"}},
		"timezone": {[]string{"Europe/Berlin", "UTC"}, []string{"", "Local", "Europe/Nowhere", "../etc/passwd", "CET+1"}},
		"url":      {[]string{"https://example.com/a?b=c", "oci://h:5000/x"}, []string{"example.com", "https://", "mailto:a@b", "https://a b", "/a"}},
	}
	for _, name := range variable.Formats() {
		s, ok := samples[name]
		if !ok {
			t.Errorf("%s has no samples", name)
		}
		d := variable.Declaration{Name: "v", Type: variable.String, Format: name}
		if example := d.Example(); example != nil {
			s.good = append(s.good, example.(string))
		} else if name != "image" {
			t.Errorf("%s has no example", name)
		}
		for _, text := range s.good {
			if _, err := d.Check(text); err != nil {
				t.Errorf("%s refuses %q: %v", name, text, err)
			}
		}
		for _, text := range s.bad {
			if _, err := d.Check(text); rule(t, err) != "format" {
				t.Errorf("%s takes %q", name, text)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]variable.Declaration{
		"":                           {Name: "a_B-1", Type: variable.String, Format: "ip", Default: "10.0.0.1", Required: true},
		"name: \"\"":                 {Type: variable.String},
		"name: \"a.b\"":              {Name: "a.b", Type: variable.String},
		"type: \"text\"":             {Name: "v", Type: "text"},
		"format: \"ipv5\"":           {Name: "v", Type: variable.String, Format: "ipv5"},
		"format: ip is of":           {Name: "v", Type: variable.Integer, Format: "ip"},
		"pattern: it is of":          {Name: "v", Type: variable.Boolean, Pattern: "a"},
		"pattern: error parsing":     {Name: "v", Type: variable.String, Pattern: "a)(b"},
		"pattern: too large":         {Name: "v", Type: variable.String, Pattern: `(\pL{200}){5}`},
		"pattern: longer":            {Name: "v", Type: variable.String, Pattern: strings.Repeat("a", 1025)},
		"min: 3 is more":             {Name: "v", Type: variable.String, Min: ptr(3), Max: ptr(2)},
		"min: there is none":         {Name: "v", Type: variable.Object, Min: ptr(3)},
		"max: 1.5":                   {Name: "v", Type: variable.List, Max: ptr(1.5)},
		"allowed: value 2: it break": {Name: "v", Type: variable.String, Pattern: "[a-z]", Allowed: []any{"a", "B"}},
		"allowed: value 3: a is the": {Name: "v", Type: variable.String, Allowed: []any{"a", "b", "a"}},
		"allowed: there are none":    {Name: "v", Type: variable.Boolean, Allowed: []any{true}},
		"allowed: the values of":     {Name: "v", Type: variable.String, Sensitive: true, Allowed: []any{"a"}},
		"default: it breaks the rul": {Name: "v", Type: variable.Integer, Max: ptr(2), Default: 3},
		"default: a sensitive":       {Name: "v", Type: variable.String, Sensitive: true, Default: "secret"},
	} {
		err := d.Validate()
		if want == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if rule(t, err) == "" || !strings.Contains(err.Error(), ": rule "+want) {
			t.Errorf("%+v: %v, want %q", d, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%v has the default of a sensitive variable", err)
		}
	}
	err := variable.Declaration{Name: "1", Type: variable.String, Format: "x", Pattern: "(", Min: ptr(-1)}.Validate()
	if lines := strings.Count(fmt.Sprint(err), "\n"); lines != 3 {
		t.Errorf("not all that is wrong is told: %v", err)
	}
}

// No message has the value of a sensitive variable, whatever rule it breaks.
func TestSensitive(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-hunter2"
	for _, d := range []variable.Declaration{
		{Type: variable.String, Format: "ip"}, {Type: variable.String, Pattern: "[0-9]+"}, {Type: variable.String, Max: ptr(3)},
		{Type: variable.String, Min: ptr(300)}, {Type: variable.Integer}, {Type: variable.Number}, {Type: variable.Boolean},
		{Type: variable.List}, {Type: variable.Object}, {Type: variable.String, Allowed: []any{"x"}},
	} {
		d.Name, d.Sensitive = "password", true
		_, checked := d.Check(secret)
		_, parsed := d.Parse(secret)
		_, list := d.Check([]any{secret, 1})
		_, resolved := variable.Resolve([]variable.Declaration{d}, map[string]any{"password": secret})
		if checked == nil || parsed == nil || resolved == nil {
			t.Errorf("%+v takes it", d)
		}
		if text := fmt.Sprint(checked, parsed, resolved, list); strings.Contains(text, "hunter2") || !strings.Contains(text, "variable password: rule ") {
			t.Errorf("%+v: %s", d, text)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		is   variable.Type
		text string
		want any
	}{
		{variable.String, "1.10", "1.10"}, {variable.Integer, "-3", int64(-3)}, {variable.Integer, "3.5", nil}, {variable.Number, "2", 2.0},
		{variable.Number, "NaN", nil}, {variable.Boolean, "true", true}, {variable.Boolean, "yes", nil},
		{variable.List, "[a, 1, {b: c}]", []any{"a", int64(1), map[string]any{"b": "c"}}}, {variable.List, `["a"]`, []any{"a"}},
		{variable.List, "a,b", nil}, {variable.List, "[a", nil}, {variable.Object, "{a: 1}", map[string]any{"a": int64(1)}}, {variable.Object, "", nil},
	} {
		d := variable.Declaration{Name: "v", Type: c.is}
		got, err := d.Parse(c.text)
		if diff := cmp.Diff(c.want, got); diff != "" || (err == nil) != (c.want != nil) {
			t.Errorf("%s %q: %v %s", c.is, c.text, err, diff)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	list := []variable.Declaration{
		{Name: "domain", Type: variable.String, Format: "fqdn", Required: true},
		{Name: "replicas", Type: variable.Integer, Default: 2},
		{Name: "note", Type: variable.String},
	}
	got, err := variable.Resolve(list, map[string]any{"domain": "a.example.com", "note": nil})
	if diff := cmp.Diff(map[string]any{"domain": "a.example.com", "replicas": int64(2), "note": nil}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	_, err = variable.Resolve(list, map[string]any{"replicas": "many", "replica": 3})
	want := `variable domain: rule required: it has no value and no default; give it one
variable replicas: rule type: "many" is not a whole number
variable replica: rule unknown: no such variable (domain, replicas, note)`
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestExample(t *testing.T) {
	t.Parallel()
	for _, d := range []variable.Declaration{
		{Type: variable.String}, {Type: variable.String, Min: ptr(30)}, {Type: variable.String, Max: ptr(3)}, {Type: variable.String, Max: ptr(0)},
		{Type: variable.String, Pattern: "[a-z0-9]([a-z0-9-]*[a-z0-9])?", Min: ptr(8)}, {Type: variable.String, Pattern: `(?i)node-\d{3}\.(eu|us)`},
		{Type: variable.String, Pattern: `[^a-z]+`}, {Type: variable.String, Pattern: `.{20,}`}, {Type: variable.String, Pattern: `((()*)*)*x`},
		{Type: variable.String, Allowed: []any{"x", "y"}}, {Type: variable.String, Format: "image", Allowed: []any{"example.com/a:1"}},
		{Type: variable.Integer, Min: ptr(10)}, {Type: variable.Integer, Max: ptr(-10)}, {Type: variable.Integer, Min: ptr(1.5), Max: ptr(2.5)},
		{Type: variable.Integer, Format: "port"}, {Type: variable.Integer, Allowed: []any{7}}, {Type: variable.Number, Min: ptr(0.25), Max: ptr(0.5)},
		{Type: variable.Boolean}, {Type: variable.List}, {Type: variable.List, Min: ptr(2)}, {Type: variable.List, Min: ptr(2), Format: "ipv6"},
		{Type: variable.List, Min: ptr(1), Allowed: []any{3, 4}}, {Type: variable.Object}, {Type: variable.String, Default: "d"}, {Type: variable.String, Sensitive: true},
	} {
		d.Name = "v"
		if err := d.Validate(); err != nil {
			t.Fatal(err)
		}
		v := d.Example()
		if v == nil {
			t.Errorf("%+v: none", d)
			continue
		}
		if _, err := d.Check(v); err != nil {
			t.Errorf("%+v: %v", d, err)
		}
	}
	for _, d := range []variable.Declaration{
		{Name: "v", Type: variable.String, Format: "image"}, {Name: "v", Type: variable.String, Pattern: `[^\x00-\x{10FFFF}]`},
		{Name: "v", Type: variable.String, Format: "ip", Pattern: "x"},
	} {
		if v := d.Example(); v != nil {
			t.Errorf("%+v: %v", d, v)
		}
	}
}
