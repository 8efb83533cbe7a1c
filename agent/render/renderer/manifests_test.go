package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	release "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"sigs.k8s.io/yaml"
)

func TestPlainScalarsThatAreOneVariableAreFound(t *testing.T) {
	text := `
spec:
  replicas: ${REPLICAS}
  quoted: "${REPLICAS}"
  single: '${REPLICAS}'
  tagged: !!str ${REPLICAS}
  part: a-${REPLICAS}
  two: ${A}${B}
  nested: ${A:-${B}}
  block: |-
    ${BLOCK}
  list: [a, "x", 3]
  deep/er~key:
  - ${ONE}
  - x: ${TWO:=3}
base: &base
  same: ${SAME}
  other: ${OTHER}
merged:
  <<: *base
  other: fixed
again: *base
`
	want := []string{
		"/again/other", "/again/same", "/base/other", "/base/same", "/merged/same",
		"/spec/deep~1er~0key/0", "/spec/deep~1er~0key/1/x", "/spec/nested", "/spec/replicas",
	}
	found := plainPointers(text)
	slices.Sort(found)
	if !slices.Equal(found, want) {
		t.Errorf("found %v", found)
	}
	if found := plainPointers("a: b"); found != nil {
		t.Errorf("found %v", found)
	}
}

func TestAliasesThatMultiplyEndTheSearchForVariables(t *testing.T) {
	text := "a0: &a0 [${X}]\n"
	for i := range 12 {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9))
	}
	if found := plainPointers(text); len(found) > plainNodes {
		t.Errorf("found %d", len(found))
	}
}

func TestDifferencesAreTheSmallestThatASecondRenderShows(t *testing.T) {
	of := func(text string) []object {
		var objects []object
		for _, document := range strings.Split(text, "---\n") {
			body, err := yaml.YAMLToJSON([]byte(document))
			if err != nil {
				t.Fatal(err)
			}
			objects = append(objects, object{Body: body, Origin: origin{File: "a.yaml"}})
		}
		return objects
	}
	first := of(`{kind: A, metadata: {name: a}, s: {x: 1, z: 2, only: 1}, l: [1, {a: 1}], m: [1], t: 1, "a/b": 1}
---
{kind: B, metadata: {name: x1}}
---
{kind: C, metadata: {name: c}}
`)
	second := of(`{kind: C, metadata: {name: c}}
---
{kind: A, metadata: {name: a}, s: {x: 1, z: 3, new: 1}, l: [1, {a: 2}], m: [1, 2], t: "1", "a/b": 2}
---
{kind: B, metadata: {name: x2}}
---
{kind: D, metadata: {name: d}}
`)
	lost := markUnstable(first, second)
	want := []string{"/a~1b", "/l/1/a", "/m", "/s/new", "/s/only", "/s/z", "/t"}
	if !slices.Equal(first[0].Unstable, want) {
		t.Errorf("%v", first[0].Unstable)
	}
	if !slices.Equal(lost, []string{"a B of a.yaml", "a D of a.yaml"}) || first[2].Unstable != nil {
		t.Errorf("%v %v", lost, first[2].Unstable)
	}
}

func TestBadB47HooksThatHelmPassesOverInSilenceAreRefused(t *testing.T) {
	hook := func(annotations map[string]string) (string, error) {
		text, _ := json.Marshal(map[string]any{"kind": "Job", "metadata": map[string]any{"name": "a", "annotations": annotations}})
		var head releaseutil.SimpleHead
		if err := json.Unmarshal(text, &head); err != nil {
			t.Fatal(err)
		}
		return hookOf(origin{File: "a.yaml", Document: 1}, head)
	}
	for _, wrong := range []map[string]string{
		{release.HookAnnotation: "crd-install"},
		{release.HookAnnotation: "pre-install,"},
		{release.HookAnnotation: ""},
		{release.HookAnnotation: "pre-install", release.HookWeightAnnotation: "soon"},
		{release.HookAnnotation: "pre-install", release.HookWeightAnnotation: "99999999999"},
		{release.HookAnnotation: "pre-install", release.HookDeleteAnnotation: "never"},
		{release.HookAnnotation: "pre-install", release.HookOutputLogAnnotation: "before-hook-creation"},
	} {
		if events, err := hook(wrong); code(err) != "helm.hook" {
			t.Errorf("%v: %q %v", wrong, events, err)
		}
	}
	for written, want := range map[string]string{
		"Pre-Install , post-upgrade": "pre-install,post-upgrade",
		"test":                       testHook,
		"test-success,test-failure":  testHook,
		"test,pre-delete":            "pre-delete",
	} {
		if events, err := hook(map[string]string{release.HookAnnotation: written, release.HookWeightAnnotation: "-5"}); err != nil || events != want {
			t.Errorf("%s: %q %v", written, events, err)
		}
	}
}

// All that a template may print comes out as Helm takes it apart, in its order, or is refused.
func TestRandomOutputIsTakenApartAndSortedAsByHelm(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	parts := []string{
		"---", "---\n", "--- ", "\n", "# comment\n", "kind: Service\n", "kind: Zebra\n", "kind: Ant\n",
		"metadata: {name: a}\n", "metadata:\n  annotations: {a: 1}\n", "a: |\n  ---\n", "text", " ",
		"apiVersion: v1\n", "...\n", "\t", "- a\n", "{}", "null\n", "\"", "ü\n",
		"metadata:\n  annotations: {helm.sh/hook: pre-install}\n", "items: []\n", "kind: List\n",
	}
	read := 0
	for range 5_000 {
		files := map[string]string{}
		for file := range 1 + random.IntN(3) {
			var text strings.Builder
			for range random.IntN(12) {
				text.WriteString(parts[random.IntN(len(parts))])
			}
			files[fmt.Sprintf("web/templates/%d.yaml", file)] = text.String()
		}
		render := &helmRender{
			chart: &chart.Chart{Metadata: &chart.Metadata{Name: "web"}},
			paths: newChartPaths(&chartFiles{shown: "apps/web"}),
		}
		ours, err := render.objects(files)
		hooks, manifests, theirErr := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
		if (err != nil) != (theirErr != nil) {
			t.Fatalf("%q: %v, Helm: %v", files, err, theirErr)
		}
		if err != nil {
			continue
		}
		var texts []string
		for _, manifest := range manifests {
			texts = append(texts, manifest.Content)
		}
		for _, hook := range hooks {
			texts = append(texts, hook.Manifest)
		}
		var want []json.RawMessage
		for _, text := range texts {
			body, _ := yaml.YAMLToJSON([]byte(text))
			if items, _ := itemsOf(body); items != nil {
				for _, item := range items {
					want = append(want, item.body)
				}
			} else if string(body) != "null" {
				want = append(want, body)
			}
		}
		var got []json.RawMessage
		for _, object := range ours.objects {
			got = append(got, object.Body)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q:\n%s\nHelm:\n%s", files, got, want)
		}
		read++
	}
	if read < 500 {
		t.Errorf("only %d were read", read)
	}
}

// Values of any form are merged without a panic, and twice the same is the same.
func TestRandomValuesAreMerged(t *testing.T) {
	defer collectWarnings().stop()
	random := rand.New(rand.NewPCG(5, 6))
	keys := []string{"a", "b", "inner", "global", "tags", ""}
	var value func(depth int) any
	value = func(depth int) any {
		switch random.IntN(8) {
		case 0:
			return nil
		case 1:
			return "text"
		case 2:
			return 1.5
		case 3:
			return []any{value(depth + 1)}
		case 4:
			return true
		}
		table := map[string]any{}
		for range random.IntN(4) {
			if depth < 5 {
				table[keys[random.IntN(len(keys))]] = value(depth + 1)
			}
		}
		return table
	}
	table := func() map[string]any {
		for {
			if table, ok := value(0).(map[string]any); ok {
				return table
			}
		}
	}
	targets := []string{"a", "a.b", "inner[0].a", "a[1]", "global.b[70000]", "a..b", "[", "a[", "b\\.c", "tags[-1]"}
	merged := 0
	for range 5_000 {
		parent := &chart.Chart{Metadata: &chart.Metadata{Name: "web", Version: "1.0.0"}, Values: table()}
		parent.AddDependency(&chart.Chart{Metadata: &chart.Metadata{Name: "inner", Version: "1.0.0"}, Values: table()})
		values := table()
		if changed, err := lay(values, overlay{Name: "Secret a", Text: "text", TargetPath: targets[random.IntN(len(targets))]}); err == nil {
			values = changed
		} else if code(err) != "helm.values" {
			t.Fatal(err)
		}
		first, err := util.CoalesceValues(parent, values)
		if err != nil {
			continue
		}
		merged++
		second, err := util.CoalesceValues(parent, values)
		if err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("%v is not %v: %v", first, second, err)
		}
	}
	if merged < 500 {
		t.Errorf("only %d were merged", merged)
	}
}

func TestATargetPathSetsOneText(t *testing.T) {
	values, err := lay(map[string]any{"list": []any{map[string]any{"a": 1.0}}}, overlay{Text: "8, {x}\n", TargetPath: `list[0].b\.c`})
	want := map[string]any{"list": []any{map[string]any{"a": 1.0, "b.c": "8, {x}\n"}}}
	if err != nil || !reflect.DeepEqual(values, want) {
		t.Errorf("%v %v", values, err)
	}
	for _, target := range []string{"a=1,b", "a,b", "{a}", `a\`, "a[100000000]", "a[-1]"} {
		_, err := lay(map[string]any{}, overlay{Name: "Secret a", Text: "hunter2", TargetPath: target})
		if code(err) != "helm.values" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestPatternsOfValuesFilesNeverPanic(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	parts := []string{"a", "..", ".", "*", "**", "?", "[a-", "[ab]", "", "x*", "b.yaml"}
	source := newRepository(nil)
	source.pipe = &pipe{broken: fs.ErrClosed}
	for range 20_000 {
		var base, written []string
		for range random.IntN(4) {
			base = append(base, []string{"a", "b", "[c]"}[random.IntN(3)])
		}
		for range 1 + random.IntN(5) {
			written = append(written, parts[random.IntN(len(parts))])
		}
		request := helmRequest{Path: strings.Join(base, "/")}
		if _, err := valuesFiles(source, request, strings.Join(written, "/")); err == nil {
			t.Fatal("nothing can be read")
		}
	}
}
