package object

import (
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is a part of a file.
type document struct {
	text   string
	offset int // lines before it
}

// split takes a stream apart where Helm and kubectl do, so that one broken document
// hides no others: at lines that begin with "---". Text may follow at once, as in
// "---apiVersion: v1", which a template that trims too much writes; more dashes
// belong to a text, as that of a certificate.
func split(content string) []document {
	var list []document
	content = strings.TrimPrefix(content, "\ufeff")
	offset, begin, line := 0, 0, 0
	for at := 0; at < len(content); line++ {
		end := len(content)
		if i := strings.IndexByte(content[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if rest, ok := strings.CutPrefix(content[at:end], "---"); ok && !strings.HasPrefix(rest, "-") {
			list = append(list, document{content[begin:at], offset})
			begin = end - len(strings.TrimLeft(rest, " \t"))
			offset = line
		}
		at = end
	}
	return append(list, document{content[begin:], offset})
}

// parse reads what is between two "---": nothing, or mostly one value. The first
// line may be indented, as Helm allows it.
func (d document) parse() ([]*yaml.Node, error) {
	roots, err := decode(withoutDirectives(d.text))
	if err == nil {
		return roots, nil
	}
	trimmed := strings.TrimLeft(d.text, " \t\r\n")
	lines := strings.Repeat("\n", strings.Count(d.text[:len(d.text)-len(trimmed)], "\n"))
	if again, errAgain := decode(lines + trimmed); errAgain == nil {
		return again, nil
	}
	return nil, err
}

func decode(text string) (roots []*yaml.Node, err error) {
	for d := yaml.NewDecoder(strings.NewReader(text)); ; {
		var n yaml.Node
		if err := d.Decode(&n); errors.Is(err, io.EOF) {
			return roots, nil
		} else if err != nil {
			return nil, err
		}
		roots = append(roots, n.Content...)
	}
}

// withoutDirectives makes comments of directives, "%YAML 1.1", which are before a
// "---" and mean nothing without it.
func withoutDirectives(text string) string {
	if !strings.HasPrefix(strings.TrimLeft(text, "\r\n"), "%") {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "%") {
			lines[i] = "#" + line
		}
	}
	return strings.Join(lines, "")
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// locate is the line in the file and the text of an error of the parser.
func (d document) locate(err error) (int, string) {
	message := err.Error()
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		if line, err := strconv.Atoi(m[1]); err == nil {
			return d.offset + line, message[len(m[0]):]
		}
	}
	blank := len(d.text) - len(strings.TrimLeft(d.text, " \t\r\n"))
	return d.offset + 1 + strings.Count(d.text[:blank], "\n"), strings.TrimPrefix(message, "yaml: ")
}
