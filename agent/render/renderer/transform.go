package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
)

// transform lays patches over objects, as a kustomization with the objects as its only resource
// would. What no patch changes comes out as it came in.
func transform(repository *repository, output *output, request transformRequest) error {
	run := newKustomizeRun(repository, clusterFacts{})
	if len(request.Patches) == 0 {
		return handBack(output, request.Objects, nil)
	}
	var stream bytes.Buffer
	numbers := map[objectName]int{}
	for index, body := range request.Objects {
		name, fit := nameOf(body)
		if !fit {
			continue
		}
		if earlier, ok := numbers[name]; ok {
			return &failure{
				Code:    "kz.duplicate",
				Message: fmt.Sprintf("objects %d and %d are both %s `%s`, so no patch can tell them apart", earlier+1, index+1, name.kind, name.name),
				exact:   true,
			}
		}
		numbers[name] = index
		stream.WriteString("---\n")
		stream.Write(body)
		stream.WriteString("\n")
	}
	run.files.written[virtualRoot+"/objects.yaml"] = stream.Bytes()
	if err := run.write(types.Kustomization{Resources: []string{"objects.yaml"}, Patches: patchesOf(request.Patches)}); err != nil {
		return err
	}
	built, err := run.build(virtualRoot)
	if err != nil {
		return err
	}
	before, err := resmap.NewFactory(provider.NewDefaultDepProvider().GetResourceFactory()).NewResMapFromBytes(stream.Bytes())
	if err != nil {
		return err
	}
	// Kustomize does this at the end of each build, which takes an empty map of annotations away.
	if err := before.RemoveOriginAnnotations(); err != nil {
		return err
	}
	read := map[int]resmapResource{}
	for _, resource := range before.Resources() {
		if number, ok := numbers[nameOfID(resource.OrgId())]; ok {
			read[number] = resource
		}
	}
	changed := map[int]json.RawMessage{}
	for _, resource := range built.Resources() {
		number, ok := numbers[nameOfID(resource.OrgId())]
		if !ok {
			return &failure{Code: "kz.failed", Message: "a patch makes an object that was not there", exact: true}
		}
		if err := run.tidy(resource); err != nil {
			return err
		}
		body, err := keepUnchanged(request.Objects[number], read[number], resource)
		if err != nil {
			return err
		}
		changed[number] = body
	}
	for _, number := range numbers {
		if _, ok := changed[number]; !ok {
			changed[number] = nil
		}
	}
	return handBack(output, request.Objects, changed)
}

func nameOfID(id resid.ResId) objectName {
	return objectName{id.Group, id.Kind, id.Name, written(id.Namespace)}
}

type resmapResource interface{ MarshalJSON() ([]byte, error) }

// handBack sends the objects in their order, with what is changed in its place; a change to nothing
// leaves the object out.
func handBack(output *output, objects []json.RawMessage, changed map[int]json.RawMessage) error {
	for index, body := range objects {
		if replacement, ok := changed[index]; ok {
			if body = replacement; body == nil {
				continue
			}
		}
		if err := output.add(object{Body: body, Origin: origin{Document: index + 1}}); err != nil {
			return err
		}
	}
	return nil
}

type objectName struct{ group, kind, name, namespace string }

// nameOf returns what Kustomize knows an object by. Objects that Kustomize would refuse, drop or
// take apart are none that a patch could be for: without a name, marked as local, and lists.
func nameOf(body json.RawMessage) (name objectName, fit bool) {
	var read head
	if json.Unmarshal(body, &read) != nil || read.Kind == "" || read.Metadata.Name == "" {
		return objectName{}, false
	}
	if local, ok := read.Metadata.Annotations["config.kubernetes.io/local-config"]; ok && local != "false" {
		return objectName{}, false
	}
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return objectName{}, false
	}
	if _, items := fields["items"]; items && strings.HasSuffix(read.Kind, "List") {
		return objectName{}, false
	}
	group, _, grouped := strings.Cut(read.APIVersion, "/")
	if !grouped {
		group = ""
	}
	return objectName{group, read.Kind, read.Metadata.Name, written(read.Metadata.Namespace)}, true
}

// keepUnchanged takes an object apart: what Kustomize reads and writes without a patch alike is
// taken from the original, because Kustomize itself writes some numbers in another way.
func keepUnchanged(original json.RawMessage, before, after resmapResource) (json.RawMessage, error) {
	wasText, err := before.MarshalJSON()
	if err != nil {
		return nil, err
	}
	isText, err := after.MarshalJSON()
	if err != nil {
		return nil, err
	}
	if bytes.Equal(wasText, isText) {
		return original, nil
	}
	var first, was, is any
	for _, one := range []struct {
		text []byte
		into *any
	}{{original, &first}, {wasText, &was}, {isText, &is}} {
		decoder := json.NewDecoder(bytes.NewReader(one.text))
		decoder.UseNumber()
		if err := decoder.Decode(one.into); err != nil {
			return nil, err
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err = encoder.Encode(merged(first, was, is))
	return bytes.TrimSpace(text.Bytes()), err
}

// alike compares numbers as Kustomize has them after a JSON 6902 patch.
func alike(was, is any) bool {
	switch was := was.(type) {
	case json.Number:
		is, ok := is.(json.Number)
		if !ok {
			return false
		}
		a, errA := was.Float64()
		b, errB := is.Float64()
		return was == is || errA == nil && errB == nil && a == b
	case map[string]any:
		is, ok := is.(map[string]any)
		if !ok || len(was) != len(is) {
			return false
		}
		for key, value := range was {
			if other, ok := is[key]; !ok || !alike(value, other) {
				return false
			}
		}
		return true
	case []any:
		is, ok := is.([]any)
		return ok && slices.EqualFunc(was, is, alike)
	default:
		return was == is
	}
}

// merged is `is` with all that is as it was taken from `first`.
func merged(first, was, is any) any {
	if alike(was, is) {
		return first
	}
	switch is := is.(type) {
	case map[string]any:
		first, firstOk := first.(map[string]any)
		was, wasOk := was.(map[string]any)
		if !firstOk || !wasOk {
			return is
		}
		for key, value := range is {
			if earlier, ok := was[key]; ok {
				is[key] = merged(first[key], earlier, value)
			}
		}
		for key, value := range first {
			if _, read := was[key]; !read && is[key] == nil {
				is[key] = value
			}
		}
		return is
	case []any:
		first, firstOk := first.([]any)
		was, wasOk := was.([]any)
		if !firstOk || !wasOk || len(first) != len(was) {
			return is
		}
		for at, value := range is {
			// An item may have moved: one that was there is the same wherever it stands.
			for earlier := range was {
				if alike(was[earlier], value) {
					is[at] = first[earlier]
					value = nil
					break
				}
			}
			if value != nil && len(is) == len(was) {
				is[at] = merged(first[at], was[at], value)
			}
		}
		return is
	default:
		return is
	}
}
