package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"

	release "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"sigs.k8s.io/yaml"
)

// rendered is what came out of a chart.
type rendered struct {
	// objects are in the order of `helm template`; hooks stand at the end.
	objects []object
	notes   string
}

// manifest is one document of the output of a template.
type manifest struct {
	place origin
	text  string
	body  json.RawMessage
	kind  string
	hook  string
}

// objects makes objects of the CRDs of the chart and of what its templates produced.
func (r *helmRender) objects(files map[string]string) (*rendered, error) {
	made := &rendered{}
	if !r.request.SkipCRDs {
		if err := r.crds(made); err != nil {
			return nil, err
		}
	}
	notes := path.Join(r.chart.Name(), "templates", "NOTES.txt")
	made.notes = files[notes]
	var generic, hooks []manifest
	for _, name := range sortedKeys(files) {
		if strings.HasSuffix(name, "NOTES.txt") || strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		for number, text := range splitOutput(files[name]) {
			one, err := r.manifest(origin{File: r.paths.file(name), Document: number + 1}, text)
			switch {
			case err != nil:
				return nil, err
			case one == nil:
			case one.hook == "":
				generic = append(generic, *one)
			case one.hook != testHook:
				hooks = append(hooks, *one)
			}
		}
	}
	for _, manifests := range [][]manifest{generic, hooks} {
		sortByKind(manifests)
		for _, one := range manifests {
			objects, err := one.objects()
			if err != nil {
				return nil, err
			}
			made.objects = append(made.objects, objects...)
		}
	}
	return made, nil
}

// crds adds what stands in `crds/`, which is no template.
func (r *helmRender) crds(made *rendered) error {
	for _, crd := range r.chart.CRDObjects() {
		file := r.paths.file(crd.Filename)
		for _, document := range documents(crd.File.Data) {
			body, err := yaml.YAMLToJSON([]byte(document.text))
			if err != nil {
				line, message := splitLine(err.Error())
				start := document.line - contentLine(strings.SplitAfter(document.text, "\n"))
				return &failure{Code: "helm.output", Message: message, File: file, Line: start + max(line, 1)}
			}
			one := manifest{place: origin{File: file, Document: document.number, Line: document.line}, text: document.text, body: body}
			objects, err := one.objects()
			if err != nil {
				return err
			}
			made.objects = append(made.objects, objects...)
		}
	}
	return nil
}

// splitOutput takes the output of a template apart by the rules of Helm.
func splitOutput(rendered string) []string {
	split := releaseutil.SplitManifests(rendered)
	keys := sortedKeys(split)
	sort.Sort(releaseutil.BySplitManifestsOrder(keys))
	texts := make([]string, 0, len(keys))
	for _, key := range keys {
		texts = append(texts, split[key])
	}
	return texts
}

// manifest reads one document; nil for one without content.
func (r *helmRender) manifest(place origin, text string) (*manifest, error) {
	body, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		line, message := splitLine(err.Error())
		return nil, r.outputFailure(place, text, line, "is not valid YAML: "+message)
	}
	if string(body) == "null" {
		return nil, nil
	}
	// Helm reads numbers and booleans as text where text is wanted; that is rare and takes long.
	var head releaseutil.SimpleHead
	if json.Unmarshal(body, &head) != nil {
		head = releaseutil.SimpleHead{}
		if err := yaml.Unmarshal([]byte(text), &head); err != nil {
			return nil, r.outputFailure(place, text, 0, "is no object: "+headFault(err))
		}
	}
	hook, err := hookOf(place, head)
	if err != nil {
		return nil, err
	}
	return &manifest{place: place, text: text, body: body, kind: head.Kind, hook: hook}, nil
}

// headFault says which field has the wrong type, without its value.
func headFault(err error) string {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return "its head cannot be read"
	}
	if wrong.Field == "" {
		return "it is a " + wrong.Value
	}
	return "its field " + wrong.Field + " is a " + wrong.Value
}

// outputFailure tells of a line of the output, counted from 1 (0 for none that is known), and of the
// line of the template where the same text stands.
func (r *helmRender) outputFailure(place origin, text string, line int, message string) error {
	told := &failure{Code: "helm.output", File: place.File}
	told.Message = fmt.Sprintf("document %d of the output %s", place.Document, message)
	if line > 0 {
		told.Message = fmt.Sprintf("line %d of %s", line, told.Message)
		if lines := strings.Split(text, "\n"); line <= len(lines) {
			told.Line = r.paths.lineOf(place.File, lines[line-1])
		}
	}
	return told
}

// lineOf finds the one line of a template that has a text; 0 if there is none, or several.
func (p *chartPaths) lineOf(file, text string) int {
	wanted, found := strings.TrimSpace(text), 0
	if wanted == "" {
		return 0
	}
	for i, line := range strings.Split(string(p.sources[file]), "\n") {
		if strings.TrimSpace(line) == wanted {
			if found > 0 {
				return 0
			}
			found = i + 1
		}
	}
	return found
}

// testHook marks what only `helm test` would create.
const testHook = "test"

// hookEvents are those of Helm. `test-success` and `test-failure` are its older names of tests.
var hookEvents = []string{
	"pre-install", "post-install", "pre-delete", "post-delete", "pre-upgrade", "post-upgrade",
	"pre-rollback", "post-rollback", "test", "test-success", "test-failure",
}

// hookOf returns the events of a hook, testHook for nothing but a test, or nothing. What Helm passes
// over in silence is refused: an event that it does not know (and then the object), a weight, a
// policy.
func hookOf(place origin, head releaseutil.SimpleHead) (string, error) {
	if head.Metadata == nil {
		return "", nil
	}
	annotations := head.Metadata.Annotations
	written, ok := annotations[release.HookAnnotation]
	if !ok {
		return "", nil
	}
	wrong := func(annotation, value string) error {
		return &failure{
			Code:    "helm.hook",
			Message: fmt.Sprintf("%s %s: `%s` is nothing that %s may be", head.Kind, head.Metadata.Name, bounded(value, 100), annotation),
			File:    place.File,
			Line:    place.Line,
			exact:   true,
		}
	}
	var events []string
	for _, event := range listOf(written) {
		if !slices.Contains(hookEvents, event) {
			return "", wrong(release.HookAnnotation, event)
		}
		if !strings.HasPrefix(event, "test") {
			events = append(events, event)
		}
	}
	if weight, ok := annotations[release.HookWeightAnnotation]; ok {
		if _, err := strconv.ParseInt(weight, 10, 32); err != nil {
			return "", wrong(release.HookWeightAnnotation, weight)
		}
	}
	for annotation, allowed := range map[string][]string{
		release.HookDeleteAnnotation:    {string(release.HookSucceeded), string(release.HookFailed), string(release.HookBeforeHookCreation)},
		release.HookOutputLogAnnotation: {string(release.HookOutputOnSucceeded), string(release.HookOutputOnFailed)},
	} {
		if written, ok := annotations[annotation]; ok {
			for _, policy := range listOf(written) {
				if !slices.Contains(allowed, policy) {
					return "", wrong(annotation, policy)
				}
			}
		}
	}
	if len(events) == 0 {
		return testHook, nil
	}
	return strings.Join(events, ","), nil
}

func listOf(written string) []string {
	parts := strings.Split(strings.ToLower(written), ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// sortByKind sorts as Helm installs: known kinds first, then the others by their names; those of one
// kind stay in their order.
func sortByKind(manifests []manifest) {
	slices.SortStableFunc(manifests, func(a, b manifest) int {
		first, second := installRank(a.kind), installRank(b.kind)
		if first == second && first == len(releaseutil.InstallOrder) {
			return strings.Compare(a.kind, b.kind)
		}
		return first - second
	})
}

var installRanks = func() map[string]int {
	ranks := map[string]int{}
	for rank, kind := range releaseutil.InstallOrder {
		ranks[kind] = rank
	}
	return ranks
}()

func installRank(kind string) int {
	if rank, ok := installRanks[kind]; ok {
		return rank
	}
	return len(releaseutil.InstallOrder)
}

// objects makes an object of a document, or of each item of a list.
func (m manifest) objects() ([]object, error) {
	if string(m.body) == "null" {
		return nil, nil
	}
	plain := plainPointers(m.text)
	items, err := itemsOf(m.body)
	if err != nil {
		return nil, &failure{Code: "helm.output", Message: err.Error(), File: m.place.File, exact: true}
	}
	if items == nil {
		return []object{{Body: m.body, Origin: m.place, Hook: m.hook, Plain: plain}}, nil
	}
	var objects []object
	for _, item := range items {
		var own []string
		for _, pointer := range plain {
			if below, ok := strings.CutPrefix(pointer, item.pointer+"/"); ok {
				own = append(own, "/"+below)
			}
		}
		objects = append(objects, object{Body: item.body, Origin: m.place, Hook: m.hook, Plain: own})
	}
	return objects, nil
}

// listDepth is how deep lists may lie in each other.
const listDepth = 8

// listItem is an object in a list, with the pointer to it.
type listItem struct {
	pointer string
	body    json.RawMessage
}

// itemsOf returns the objects in a list and in the lists in it; nil for what is no list.
func itemsOf(body json.RawMessage) ([]listItem, error) {
	return itemsBelow(body, "", 0)
}

func itemsBelow(body json.RawMessage, pointer string, depth int) ([]listItem, error) {
	var list struct {
		Kind  string            `json:"kind"`
		Items []json.RawMessage `json:"items"`
	}
	if json.Unmarshal(body, &list) != nil || !strings.HasSuffix(list.Kind, "List") || list.Items == nil {
		return nil, nil
	}
	if depth >= listDepth {
		return nil, fmt.Errorf("more than %d lists lie in each other", listDepth)
	}
	found := []listItem{}
	for i, item := range list.Items {
		at := fmt.Sprintf("%s/items/%d", pointer, i)
		inner, err := itemsBelow(item, at, depth+1)
		if err != nil {
			return nil, err
		}
		if inner == nil {
			inner = []listItem{{pointer: at, body: item}}
		}
		found = append(found, inner...)
	}
	return found, nil
}
