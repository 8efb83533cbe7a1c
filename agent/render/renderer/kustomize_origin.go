package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/api/resource"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	"sigs.k8s.io/yaml"
)

// places knows where each object of the resource files stands. Kustomize can annotate objects with
// their file, but such an annotation can be seen by patches, and says nothing of the place in it.
type places struct {
	run *kustomizeRun
	// known has the places by what is written in them; nil until one is looked for.
	known map[writtenAs][]*place
	files map[string][]place
}

// writtenAs is what an object is called in its file.
type writtenAs struct{ kind, name, namespace string }

type place struct {
	file     string
	document document
	head     head
	// name and namespace are what the kustomizations around it make of them.
	name, namespace string
	taken           bool
}

func newPlaces(run *kustomizeRun) *places {
	return &places{run: run, files: map[string][]place{}}
}

// find returns where an object comes from.
func (p *places) find(built *resource.Resource) origin {
	if made, ok := p.run.made[built]; ok {
		return made()
	}
	if p.known == nil {
		p.known = map[writtenAs][]*place{}
		if len(p.run.walk.visited) > 0 {
			p.collect(p.run.walk.visited[0], "", "", "")
		}
	}
	id := built.OrgId()
	candidates := p.known[writtenAs{id.Kind, id.Name, written(id.Namespace)}]
	if len(candidates) == 0 {
		candidates = p.similar(id.Kind, built.GetName())
	}
	best := chosen(candidates, built.GetName(), built.GetNamespace())
	if best == nil {
		for _, known := range p.run.walk.visited {
			if known.directory != virtualRoot {
				return origin{File: p.run.files.show(known.file), Document: 1}
			}
		}
		return origin{Document: 1}
	}
	best.taken = true
	return origin{File: p.run.files.show(best.file), Document: best.document.number, Line: best.document.line}
}

// written undoes what Kustomize makes of an empty namespace.
func written(namespace string) string {
	if namespace == "default" || namespace == "_non_namespaceable_" {
		return ""
	}
	return namespace
}

// chosen returns the place that an object with this name and namespace comes from: two bases may
// have objects of one name, which differ only by what the bases put around them.
func chosen(candidates []*place, name, namespace string) *place {
	var best *place
	score := -1
	for _, candidate := range candidates {
		points := 0
		if candidate.name == name {
			points += 4
		}
		if candidate.namespace == namespace {
			points += 2
		}
		if !candidate.taken {
			points++
		}
		if points > score {
			best, score = candidate, points
		}
	}
	return best
}

// similar finds places by the longest name that is part of the name of an object, for the few that
// were renamed in a way that leaves no trace.
func (p *places) similar(kind, name string) (found []*place) {
	longest := 0
	for id, places := range p.known {
		if id.kind == kind && id.name != "" && strings.Contains(name, id.name) && len(id.name) >= longest {
			found, longest = places, len(id.name)
		}
	}
	return found
}

// collect goes through the resource files of a kustomization and of its bases.
func (p *places) collect(from *kustomization, prefix, suffix, namespace string) {
	prefix, suffix = prefix+from.NamePrefix, from.NameSuffix+suffix
	if namespace == "" {
		namespace = from.Namespace
	}
	for _, step := range from.steps {
		if step.base != nil {
			p.collect(step.base, prefix, suffix, namespace)
			continue
		}
		if step.file == "" {
			continue
		}
		for _, found := range p.of(step.file) {
			found.name = prefix + found.head.Metadata.Name + suffix
			if found.namespace = namespace; namespace == "" {
				found.namespace = found.head.Metadata.Namespace
			}
			id := writtenAs{found.head.Kind, found.head.Metadata.Name, written(found.head.Metadata.Namespace)}
			p.known[id] = append(p.known[id], &found)
		}
	}
}

func (p *places) of(file string) []place {
	known, ok := p.files[file]
	if !ok {
		if content, err := p.run.files.ReadFile(file); err == nil {
			known = heads(file, content)
		}
		p.files[file] = known
	}
	return known
}

// heads finds the objects of a file, also those in lists.
func heads(file string, content []byte) []place {
	var found []place
	for _, document := range documents(content) {
		found = append(found, headsOf(file, document)...)
	}
	return found
}

func headsOf(file string, document document) []place {
	if head, ok := quickHead(document.text); ok {
		return []place{{file: file, document: document, head: head}}
	}
	return parsedHeads(file, document)
}

func parsedHeads(file string, document document) []place {
	var list struct {
		head
		Items []json.RawMessage `json:"items"`
	}
	// A document that is no object is simply not the one that is looked for.
	if yaml.Unmarshal([]byte(document.text), &list) != nil {
		return nil
	}
	if !strings.HasSuffix(list.Kind, "List") || list.Items == nil {
		return []place{{file: file, document: document, head: list.head}}
	}
	var items *kyaml.Node
	if parsed, err := kyaml.Parse(document.text); err == nil {
		items = valueOf(parsed.YNode(), "items")
	}
	start := document.line - contentLine(strings.SplitAfter(document.text, "\n"))
	var found []place
	for index, item := range list.Items {
		next := place{file: file, document: document}
		if json.Unmarshal(item, &next.head) != nil {
			continue
		}
		if items != nil && index < len(items.Content) {
			next.document.line = start + items.Content[index].Line
		}
		found = append(found, next)
	}
	return found
}

// quickHead reads kind, name and namespace out of a document in block style. It gives up on all that
// is not plain to see, which is then parsed.
func quickHead(text string) (found head, ok bool) {
	inMetadata, indent := false, 0
	for line := range strings.Lines(text) {
		content := strings.TrimLeft(line, " ")
		trimmed := strings.TrimSpace(content)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		depth := len(line) - len(content)
		key, value, cut := strings.Cut(trimmed, ":")
		if depth == 0 {
			if !cut || strings.ContainsAny(key, `"'{}[]&*!|>%@?,`) {
				return found, false
			}
			inMetadata, indent = key == "metadata", 0
		}
		value = strings.TrimSpace(value)
		var into *string
		switch {
		case depth == 0 && key == "kind":
			into = &found.Kind
		case depth == 0 && key == "metadata" && value != "":
			return found, false
		case depth > 0 && inMetadata:
			if indent == 0 {
				indent = depth
			}
			if depth == indent && key == "name" {
				into = &found.Metadata.Name
			} else if depth == indent && key == "namespace" {
				into = &found.Metadata.Namespace
			}
		}
		if into == nil {
			continue
		}
		if value == "" || strings.ContainsAny(value, "\"'{}[]&*!|>#%@`:~\t$") {
			return found, false
		}
		*into = value
	}
	return found, found.Kind != "" && found.Metadata.Name != "" && !strings.HasSuffix(found.Kind, "List")
}

// plain returns the JSON pointers of the scalars that were written plain and are exactly one `${...}`.
// A JSON 6902 patch makes an object anew and all of it plain, so that what stands in the file of the
// object counts for more than what stands in the object.
func (p *places) plain(built *resource.Resource, from origin) []string {
	references := variables{}
	references.add(built.YNode(), "")
	if len(references) == 0 {
		return nil
	}
	before := variables{}
	if charted, ok := p.run.charted[built]; ok {
		if parsed, err := kyaml.Parse(string(charted.Body)); err == nil {
			before.add(parsed.YNode(), "")
		}
		for pointer, known := range before {
			known.plain = slices.Contains(charted.Plain, pointer)
			before[pointer] = known
		}
	} else if text := p.textOf(from); text != "" {
		if parsed, err := kyaml.Parse(text); err == nil {
			before.add(parsed.YNode(), "")
		}
	}
	var found []string
	for _, pointer := range sortedKeys(references) {
		now := references[pointer]
		if earlier, ok := before[pointer]; ok && earlier.text == now.text {
			now = earlier
		}
		if now.plain {
			found = append(found, pointer)
		}
	}
	return found
}

// textOf returns the document that an object comes from; empty for one that a generator made.
func (p *places) textOf(from origin) string {
	for _, candidates := range p.known {
		for _, candidate := range candidates {
			if candidate.document.number == from.Document && p.run.files.show(candidate.file) == from.File {
				return candidate.document.text
			}
		}
	}
	return ""
}

// variables are the texts of an object that are exactly one `${...}`, by JSON pointer.
type variables map[string]variable

type variable struct {
	text  string
	plain bool
}

func (v variables) add(node *kyaml.Node, pointer string) {
	if node == nil {
		return
	}
	switch node.Kind {
	case kyaml.ScalarNode:
		if isVariable(node.Value) {
			v[pointer] = variable{text: node.Value, plain: node.Style == 0}
		}
	case kyaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			v.add(node.Content[i+1], pointer+"/"+pointerPart(node.Content[i].Value))
		}
	case kyaml.SequenceNode:
		for i, inner := range node.Content {
			v.add(inner, pointer+"/"+strconv.Itoa(i))
		}
	case kyaml.DocumentNode:
		for _, inner := range node.Content {
			v.add(inner, pointer)
		}
	case kyaml.AliasNode:
		v.add(node.Alias, pointer)
	}
}
