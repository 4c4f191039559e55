package mirror

import (
	"strings"
	"testing"
)

// What is wrong in mirror.yaml is told with its place, and nobody is dialled.
func TestBadFile(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, "ggcr", newContent(fresh()))
	host := u.Host()
	good := "version: 1\nregistries:\n  - host: " + host + "\n    plainHTTP: true\nmirrors:\n  - name: all\n    source: " + host + "/team/app\n"
	for name, c := range map[string]struct{ text, words string }{
		"empty":               {"", "empty"},
		"another version":     {strings.Replace(good, "version: 1", "version: 2", 1), "line 1, column 10"},
		"no mirrors":          {"version: 1\n", "mirrors"},
		"unknown at the top":  {good + "mirror: x\n", "line 8, column 1"},
		"unknown of a mirror": {good + "    sorce: x\n", "line 8, column 5"},
		"unknown of a host":   {strings.Replace(good, "plainHTTP", "plainHttp", 1), "line 4, column 5"},
		"a wrong type":        {good + "    platforms: {os: linux}\n", "line 8, column 16"},
		"a wrong value":       {strings.Replace(good, "plainHTTP: true", "plainHTTP: maybe", 1), "line 4, column 16"},
		"twice":               {good + "    name: again\n", "line 8, column 5"},
		"a name twice":        {good + "  - name: all\n    source: " + host + "/team/b\n", "line 8, column 5"},
		"a host twice":        {strings.Replace(good, "mirrors:", "  - host: "+host+"\nmirrors:", 1), "line 5, column 5"},
		"a host's glob":       {good + "  - name: more\n    source: '*.example.com/a'\n", "line 9, column 13"},
		"no host of a glob":   {good + "  - name: more\n    source: 'team/*'\n", "line 9, column 13"},
		"a tag in a source":   {good + "  - name: more\n    source: " + host + "/a:v1\n", "line 9, column 13"},
		"a bad expression":    {good + "    tags: {regex: '('}\n", "line 8, column 19"},
		"a bad range":         {good + "    tags: {semver: '>>1'}\n", "line 8, column 20"},
		"a bad share":         {good + "    delete: {when: gone, maxShare: 120%}\n", "line 8, column 36"},
		"a bad window":        {strings.Replace(good, "mirrors:", "    windows: 25:00-26:00\nmirrors:", 1), "line 5, column 14"},
		"a bad schedule":      {good + "    schedule: sometimes\n", "line 8, column 15"},
		"no key":              {good + "    verify: [{keys: none.pub}]\n", "line 8, column 21"},
		"two passwords":       {strings.Replace(good, "mirrors:", "    credentials: {helper: x, tokenEnv: Y}\nmirrors:", 1), "line 5, column 18"},
		"a bad timeout":       {strings.Replace(good, "mirrors:", "    timeout: 1ms\nmirrors:", 1), "line 5, column 14"},
		"an alias":            {strings.Replace(good, "name: all", "name: &a all", 1) + "    destination: *a\n", "line 8, column 18"},
		"two documents":       {good + "---\n" + good, "document"},
		"no YAML":             {"{", "YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			file := writeFile(t, "mirror.yaml", c.text)
			for _, verb := range []string{"plan", "run"} {
				d := newStore(t)
				r := landfall(t, append([]string{"sync", verb, "--json", "-f", file}, d.args...)...)
				if r.code != exitUsage || !strings.Contains(r.stderr, "mirror.yaml: ") || !strings.Contains(r.stderr, c.words) || r.stdout != "" {
					t.Errorf("%s: want %q: %s", verb, c.words, r)
				}
				if left := folder(t, d.data+"/x"); len(left) > 0 {
					t.Errorf("it left %q", left)
				}
			}
		})
	}
	if n := u.Counts().Connections; n > 0 {
		t.Errorf("%d connections", n)
	}
}

// A mirror that is offline dials nobody, nor does one whose name is not there.
func TestNotDialled(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, "ggcr", newContent(fresh()))
	d := newStore(t)
	if r := d.sync(t, u.file(t), "--mirror", "other"); r.code == exitDone || !strings.Contains(r.stderr, "other") {
		t.Error(r)
	}
	if r := d.sync(t, u.file(t, "offline: true")); r.code != exitPartial || !strings.Contains(r.stdout, "offline") {
		t.Error(r)
	}
	if n := u.Counts().Connections; n > 0 {
		t.Errorf("%d connections", n)
	}
}
