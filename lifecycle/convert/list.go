package convert

import (
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// transport is what skopeo's lists have in front of images.
const transport = "docker://"

// list reads a list of images, in lines when there are no documents.
func (c *converter) list(content []byte, docs []value) {
	l := c.newLayer("images")
	if docs == nil {
		c.lines(l, string(content))
		return
	}
	for _, d := range docs {
		seen, ok := c.see(d)
		if ok && seen.node.ShortTag() == "!!map" {
			c.fields(d, map[string]reader{"images": func(v value) { c.images(l, v) }}, nil)
		} else {
			c.images(l, d)
		}
	}
}

func (c *converter) lines(l *layer, content string) {
	number := 0
	for line := range strings.Lines(content) {
		number++
		words := strings.Fields(uncommented(line))
		if len(words) == 0 {
			continue
		}
		at := value{line: number, path: "image"}
		c.image(l, at, words[0])
		if len(words) > 1 {
			c.drops(at, "%.200q behind the image; a profile has original names only", strings.Join(words[1:], " "))
		}
	}
}

// uncommented is a line without what is behind "#" at its begin or behind a space.
func uncommented(line string) string {
	if strings.HasPrefix(line, "#") {
		return ""
	}
	for _, c := range []string{" #", "\t#"} {
		line, _, _ = strings.Cut(line, c)
	}
	return line
}

// images reads a list of images.
func (c *converter) images(l *layer, v value) {
	for _, i := range c.items(v) {
		c.image(l, i, c.imageText(i))
	}
}

// imageText is an image that is a text, or the name of one with fields.
func (c *converter) imageText(v value) (text string) {
	seen, ok := c.see(v)
	if !ok {
		return ""
	}
	if seen.node.ShortTag() != "!!map" {
		text, _ = c.filled(v)
		return text
	}
	c.fields(v, map[string]reader{"name": c.into(&text), "image": c.into(&text)}, nil)
	if text == "" {
		c.fail(v, "an image, or the name of one, is wanted")
	}
	return text
}

// image adds an image; "" has been told of.
func (c *converter) image(l *layer, v value, text string) {
	text = strings.TrimPrefix(text, transport)
	if text == "" {
		return
	}
	ref, err := registry.ParseRef(text)
	if err != nil {
		c.fail(v, "%v; want an image like quay.io/team/app:1.2", err)
		return
	}
	if l.refs[ref] {
		c.maps(v, "%s, which is there already", text)
		return
	}
	l.refs[ref] = true
	l.images = append(l.images, text)
	c.maps(v, "layer %s, images", l.name)
}
