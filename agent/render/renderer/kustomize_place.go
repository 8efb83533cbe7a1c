package main

import (
	"path"
	"regexp"
	"strings"

	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
)

// node returns the text of the kustomization as YAML nodes; nil where it has none.
func (k *kustomization) node() *kyaml.Node {
	parsed, err := kyaml.Parse(string(k.content))
	if err != nil {
		return nil
	}
	return parsed.YNode()
}

// line finds an entry of a list by its text; 0 where it is not there.
func (k *kustomization) line(field, written string) int {
	found := 0
	eachScalar(k.node(), func(scalar *kyaml.Node) {
		if scalar.Value == written && found == 0 {
			found = scalar.Line
		}
	})
	if found == 0 {
		found = keyLine(k.node(), field)
	}
	return found
}

// entryLine finds an entry of a list by its place, from 0.
func (k *kustomization) entryLine(field string, index int) int {
	list := valueOf(k.node(), field)
	if list == nil || list.Kind != kyaml.SequenceNode || index >= len(list.Content) {
		return 0
	}
	return list.Content[index].Line
}

func valueOf(node *kyaml.Node, field string) *kyaml.Node {
	if node == nil || node.Kind != kyaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == field {
			return node.Content[i+1]
		}
	}
	return nil
}

// keyLine finds the first field of a name, at any depth.
func keyLine(node *kyaml.Node, field string) int {
	if node == nil {
		return 0
	}
	for i, inner := range node.Content {
		if node.Kind == kyaml.MappingNode && i%2 == 0 && strings.EqualFold(inner.Value, field) {
			return inner.Line
		}
		if line := keyLine(inner, field); line > 0 {
			return line
		}
	}
	return 0
}

func eachScalar(node *kyaml.Node, visit func(*kyaml.Node)) {
	if node == nil {
		return
	}
	if node.Kind == kyaml.ScalarNode {
		visit(node)
	}
	for _, inner := range node.Content {
		eachScalar(inner, visit)
	}
}

// naming finds the line of a kustomization, or of a file with plugins, that names a path.
func (w *walk) naming(target string) (file string, line int) {
	search := func(in, directory string, node *kyaml.Node) {
		eachScalar(node, func(scalar *kyaml.Node) {
			written := scalar.Value
			if _, after, ok := strings.Cut(written, "="); ok && path.Join(directory, written) != target {
				written = after
			}
			if line == 0 && written != "" && (path.Join(directory, written) == target || path.Clean(written) == target) {
				file, line = in, scalar.Line
			}
		})
	}
	for _, known := range w.visited {
		search(known.file, known.directory, known.node())
		for _, plugin := range known.plugins {
			if parsed := parsedFile(w.files, plugin); parsed != nil {
				search(plugin, known.directory, parsed)
			}
		}
	}
	return file, line
}

// containing finds the line of a kustomization that has a text.
func (w *walk) containing(text string) (file string, line int) {
	for _, known := range w.visited {
		eachScalar(known.node(), func(scalar *kyaml.Node) {
			if line == 0 && strings.Contains(scalar.Value, text) {
				file, line = known.file, scalar.Line
			}
		})
	}
	return file, line
}

// parsedFile returns the first document of a file as YAML nodes.
func parsedFile(files *filesystem, name string) *kyaml.Node {
	content, err := files.ReadFile(name)
	if err != nil {
		return nil
	}
	parsed, err := kyaml.Parse(string(content))
	if err != nil {
		return nil
	}
	return parsed.YNode()
}

var (
	unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)
	wrongType    = regexp.MustCompile(`cannot unmarshal (\S+) into Go (?:struct field \S*?([^.\s]+)|value) of type (\S+)`)
)

// fieldFailure tells what is wrong with the text of a kustomization.
func fieldFailure(file string, content []byte, err error) *failure {
	if line, message, found := unreadable(content); found {
		return &failure{Code: "yaml.syntax", Message: message, File: file, Line: line}
	}
	node := (&kustomization{content: content}).node()
	told := &failure{Code: "kz.field", Message: err.Error(), File: file}
	if match := unknownField.FindStringSubmatch(err.Error()); match != nil {
		told.Message, told.exact = "a kustomization has no field `"+match[1]+"`", true
		told.Line = keyLine(node, match[1])
	} else if match := wrongType.FindStringSubmatch(err.Error()); match != nil {
		told.exact = true
		told.Message = "the kustomization is not a map"
		if match[2] != "" {
			told.Message = "the field `" + match[2] + "` cannot be a " + match[1]
			told.Line = keyLine(node, match[2])
		}
	}
	return told
}
