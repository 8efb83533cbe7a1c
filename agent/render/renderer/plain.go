package main

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// plainNodes bounds the nodes that are looked at, as aliases may multiply them.
const plainNodes = 1_000_000

// plainPointers returns the JSON pointers of the scalars of a YAML document that were written plain
// (without quotes and tag) and are exactly one `${...}`.
func plainPointers(text string) []string {
	if !strings.Contains(text, "${") {
		return nil
	}
	var document yaml.Node
	if yaml.Unmarshal([]byte(text), &document) != nil || len(document.Content) != 1 {
		return nil
	}
	walk := &plainWalk{left: plainNodes}
	walk.node("", document.Content[0])
	return walk.found
}

type plainWalk struct {
	found []string
	left  int
}

func (w *plainWalk) node(pointer string, node *yaml.Node) {
	if w.left--; w.left < 0 {
		return
	}
	switch node.Kind {
	case yaml.AliasNode:
		w.node(pointer, node.Alias)
	case yaml.SequenceNode:
		for i, item := range node.Content {
			w.node(pointer+"/"+strconv.Itoa(i), item)
		}
	case yaml.MappingNode:
		for _, pair := range mergedPairs(node, &w.left) {
			w.node(pointer+"/"+pointerPart(pair.key), pair.value)
		}
	case yaml.ScalarNode:
		if node.Style == 0 && isVariable(node.Value) {
			w.found = append(w.found, pointer)
		}
	}
}

type yamlPair struct {
	key   string
	value *yaml.Node
}

// mergedPairs returns what a map has, with `<<` resolved: its own keys win, then earlier maps.
func mergedPairs(node *yaml.Node, left *int) []yamlPair {
	if *left--; *left < 0 {
		return nil
	}
	switch node.Kind {
	case yaml.AliasNode:
		return mergedPairs(node.Alias, left)
	case yaml.SequenceNode:
		var pairs []yamlPair
		for _, merged := range node.Content {
			pairs = appendAbsent(pairs, mergedPairs(merged, left))
		}
		return pairs
	case yaml.MappingNode:
	default:
		return nil
	}
	var own, merged []yamlPair
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind == yaml.ScalarNode && key.Value == "<<" && key.Style == 0 {
			merged = appendAbsent(merged, mergedPairs(value, left))
			continue
		}
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		own = append(own, yamlPair{key: key.Value, value: value})
	}
	return appendAbsent(own, merged)
}

func appendAbsent(to, from []yamlPair) []yamlPair {
	known := map[string]bool{}
	for _, pair := range to {
		known[pair.key] = true
	}
	for _, pair := range from {
		if !known[pair.key] {
			to = append(to, pair)
		}
	}
	return to
}

// isVariable says whether a text is one `${...}` from its first to its last letter.
func isVariable(text string) bool {
	if !strings.HasPrefix(text, "${") || !strings.HasSuffix(text, "}") {
		return false
	}
	depth := 0
	for i, letter := range text {
		switch letter {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 && i < len(text)-1 {
				return false
			}
		}
	}
	return depth == 0
}

// pointerPart escapes a key for a JSON pointer.
func pointerPart(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}
