package convert

import (
	"strings"
)

// haulerGroup reports whether an apiVersion is one of hauler's.
func haulerGroup(apiVersion string) bool {
	group, _, _ := strings.Cut(apiVersion, "/")
	return group == "content.hauler.cattle.io" || group == "collection.hauler.cattle.io"
}

// What fields of hauler's manifests are for, where a profile has no place for it.
var (
	haulerImageWhy = map[string]string{
		"key":             "who has to have signed is in the site's trust policy",
		"use-tlog-verify": "who has to have signed is in the site's trust policy",
		"rewrite":         "images keep their original names everywhere",
		"exclude-extras":  "signatures and the like are carried with the image, or not, as the bundle says",
	}
	haulerChartWhy = map[string]string{
		"rewrite":               "charts keep their original names everywhere",
		"exclude-extras":        "what is found in the chart is carried; ignore in the layer takes finds out",
		"verify":                "who has to have signed is in the site's trust policy",
		"keyring":               "who has to have signed is in the site's trust policy",
		"registry":              "images keep their original names everywhere",
		"usernameEnv":           "how to sign in at a registry is no part of a profile",
		"passwordEnv":           "how to sign in at a registry is no part of a profile",
		"passCredentialsAll":    "how to sign in at a registry is no part of a profile",
		"certFile":              "how to reach a registry is no part of a profile",
		"keyFile":               "how to reach a registry is no part of a profile",
		"caFile":                "how to reach a registry is no part of a profile",
		"insecureSkipTLSVerify": "how to reach a registry is no part of a profile",
		"plainHTTP":             "how to reach a registry is no part of a profile",
		"kubeVersion":           "say the version in a layer of type kubernetes",
	}
	haulerAnnotationWhy = map[string]string{
		"hauler.dev/key":      "who has to have signed is in the site's trust policy",
		"hauler.dev/registry": "the registry of images that say none: write it in front of each, it is docker.io else",
	}
)

// hauler reads manifests, each of which becomes a layer.
func (c *converter) hauler(docs []value) {
	for _, d := range docs {
		kind, group := peek(d, "kind"), peek(d, "apiVersion")
		if !haulerGroup(group) {
			c.fail(d, "apiVersion %.60q: want content.hauler.cattle.io/v1", group)
			continue
		}
		l := c.newLayer(kind)
		spec := map[string]reader{}
		switch kind {
		case "Images":
			spec["images"] = func(v value) { c.haulerImages(l, v) }
		case "Charts":
			spec["charts"] = func(v value) { c.haulerCharts(l, v) }
		case "ThickCharts":
			spec["charts"] = func(v value) { c.haulerCharts(l, v) }
			spec["extraImages"] = func(v value) { c.haulerImages(l, v) }
		case "Files":
			spec["files"] = func(v value) { c.haulerFiles(l, v) }
		default:
			c.drops(d, "left out: kind %.40q; images, charts and files of it can be said by themselves", kind)
			continue
		}
		c.fields(d, map[string]reader{
			"apiVersion": ignore, "kind": ignore,
			"metadata": func(v value) { c.haulerMetadata(l, v) },
			"spec":     func(v value) { c.fields(v, spec, nil) },
		}, nil)
	}
}

func (c *converter) haulerMetadata(l *layer, v value) {
	c.fields(v, map[string]reader{
		"name": func(v value) {
			if name, ok := c.filled(v); ok {
				c.rename(l, name)
				c.maps(v, "layer %s", l.name)
			}
		},
		"annotations": func(v value) {
			c.fields(v, map[string]reader{"hauler.dev/platform": func(v value) { c.haulerPlatform(l, v) }}, haulerAnnotationWhy)
		},
	}, map[string]string{"labels": "a profile has no labels"})
}

func (c *converter) haulerPlatform(l *layer, v value) {
	if p, ok := c.filled(v); ok {
		l.platforms = c.platform(v, p)
		c.maps(v, "layer %s, platforms", l.name)
	}
}

func (c *converter) haulerImages(l *layer, v value) {
	for _, i := range c.items(v) {
		var text string
		known := map[string]reader{"name": c.into(&text), "platform": func(v value) {
			c.drops(v, "a platform of one image; platforms are those of the layer")
		}}
		why := map[string]string{}
		for _, e := range c.entries(i) {
			why[e.key] = haulerImageWhy[e.key]
			if strings.HasPrefix(e.key, "certificate-") {
				why[e.key] = haulerImageWhy["key"]
			}
		}
		c.fields(i, known, why)
		c.image(l, i, text)
	}
}

func (c *converter) haulerCharts(l *layer, v value) {
	for _, i := range c.items(v) {
		var ch chart
		var name, url string
		found := func(v value) { c.maps(v, "images of charts are found, and subcharts are in them") }
		c.fields(i, map[string]reader{
			"name": c.into(&name), "repoURL": c.into(&url), "version": c.into(&ch.version),
			"valuesFiles": func(v value) {
				for _, f := range c.items(v) {
					if file, ok := c.valueFile(f); ok {
						ch.valueFiles = append(ch.valueFiles, file)
					}
				}
			},
			"platform":   func(v value) { c.drops(v, "a platform of one chart; platforms are those of the layer") },
			"add-images": found, "add-dependencies": found,
		}, haulerChartWhy)
		if local(url) && url != "" { // a folder that charts are in
			name, url = strings.TrimRight(url, "/")+"/"+name, ""
		}
		if oci, ok := strings.CutPrefix(name, "oci://"); ok && url == "" {
			name, url = "", "oci://"+oci
		}
		ch.at(url, name)
		c.addChart(l, i, ch)
	}
}

func (c *converter) haulerFiles(l *layer, v value) {
	for _, i := range c.items(v) {
		var file string
		c.fields(i, map[string]reader{"path": c.into(&file)}, map[string]string{
			"name": "a file in a profile has a target on the host, and no other name",
		})
		c.addFile(l, i, file, "", false)
	}
}
