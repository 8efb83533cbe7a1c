package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	"sigs.k8s.io/kustomize/kyaml/yaml/merge2"
	"sigs.k8s.io/yaml"
)

// chartGenerator does for `helmCharts` what Kustomize starts the program `helm` for.
type chartGenerator struct {
	types.HelmGlobals
	types.HelmChart
	run     *kustomizeRun
	entry   entryOf
	helpers *resmap.PluginHelpers
}

// Config takes one entry of `helmCharts`; Kustomize has filled in the namespace already.
func (g *chartGenerator) Config(h *resmap.PluginHelpers, config []byte) error {
	g.helpers = h
	g.entry, _ = g.run.nextEntry(h, "helmCharts", config)
	if err := yaml.Unmarshal(config, g); err != nil {
		return g.fail("kz.field", "the entry of helmCharts cannot be read")
	}
	if g.ChartHome == "" {
		g.ChartHome = types.HelmDefaultHome
	}
	if g.ValuesMerge == "" {
		g.ValuesMerge = "override"
	}
	switch {
	case g.Name == "":
		return g.fail("kz.field", "a chart has no name")
	case strings.HasPrefix(g.Name, "-") || strings.HasPrefix(g.ReleaseName, "-"):
		return g.fail("kz.field", "the name of a chart or release begins with `-`")
	case !slices.Contains([]string{"merge", "override", "replace"}, g.ValuesMerge):
		return g.fail("kz.field", "`valuesMerge` is none of merge, override, replace")
	case g.ReleaseName != "" && g.NameTemplate != "":
		return g.fail("kz.field", "a chart has both `releaseName` and `nameTemplate`")
	}
	return nil
}

func (g *chartGenerator) fail(code, message string) error {
	place := g.run.place(g.entry)
	told := &failure{Code: code, Message: message, File: place.File, Line: place.Line, exact: true}
	g.run.note(told)
	return told
}

// home is the directory of the charts that Kustomize would have fetched before.
func (g *chartGenerator) home() string {
	home := path.Join(g.entry.directory, g.ChartHome)
	if g.Version != "" && g.Repo != "" {
		return path.Join(home, g.Name+"-"+g.Version)
	}
	return home
}

// Generate renders the chart.
func (g *chartGenerator) Generate() (resmap.ResMap, error) {
	request, source, err := g.request()
	if err != nil {
		return nil, g.passOn(err)
	}
	made := resmap.New()
	collected := &output{keep: func(rendered object) error { return g.add(made, rendered) }}
	if err := renderHelm(source, collected, request); err != nil {
		return nil, g.passOn(err)
	}
	return made, nil
}

func (g *chartGenerator) passOn(err error) error {
	var known *failure
	if errors.As(err, &known) {
		g.run.note(known)
	}
	return err
}

// add takes one object of the chart in, as Kustomize would read it.
func (g *chartGenerator) add(into resmap.ResMap, rendered object) error {
	if g.SkipHooks && rendered.Hook != "" {
		return nil
	}
	objects, err := g.helpers.ResmapFactory().NewResMapFromBytes(rendered.Body)
	if err != nil {
		return &failure{Code: "helm.output", Message: "the chart makes something that is no object: " + g.run.files.showAll(err.Error()), File: rendered.Origin.File, Line: rendered.Origin.Line}
	}
	for _, made := range objects.Resources() {
		if err := made.PipeE(kyaml.SetAnnotation(konfig.HelmGeneratedAnnotation, "true")); err != nil {
			return err
		}
		g.run.made[made] = func() origin { return rendered.Origin }
		g.run.charted[made] = rendered
	}
	if err := into.AppendAll(objects); err != nil {
		return &failure{Code: "kz.duplicate", Message: g.run.files.showAll(err.Error()), File: rendered.Origin.File, Line: rendered.Origin.Line}
	}
	return nil
}

// request is the entry in the words of the renderer's own Helm.
func (g *chartGenerator) request() (helmRequest, *repository, error) {
	request := helmRequest{
		ReleaseName: g.ReleaseName,
		Namespace:   g.Namespace,
		Cluster:     g.run.cluster,
		SkipCRDs:    !g.IncludeCRDs,
	}
	if request.Namespace == "" {
		request.Namespace = "default"
	}
	if request.ReleaseName == "" {
		name, err := releaseName(g.NameTemplate)
		if err != nil {
			return request, nil, g.fail("kz.field", "`nameTemplate` cannot be used")
		}
		request.ReleaseName = name
	}
	if g.KubeVersion != "" {
		request.Cluster.KubeVersion = g.KubeVersion
	}
	if len(g.ApiVersions) > 0 {
		known := request.Cluster.APIVersions
		if len(known) == 0 {
			known = common.DefaultCapabilities.Copy().APIVersions
		}
		request.Cluster.APIVersions = append(slices.Clone(known), g.ApiVersions...)
	}
	directory := path.Join(g.home(), g.Name)
	source, relative, err := g.run.files.inside(directory)
	if err != nil {
		return request, nil, g.fail("path.escape", "`chartHome` is outside the repository")
	}
	request.Path = relative
	if !g.run.files.IsDir(directory) {
		if g.Repo == "" {
			return request, nil, g.fail("helm.chart", "there is no chart at `"+g.run.files.show(directory)+"`, and no `repo` to fetch it from")
		}
		request.Chart = g.reference()
		// Nothing of the chart is in the repository.
		_, request.Path, _ = g.run.files.inside(g.entry.directory)
	}
	request.Values, err = g.values(source, request)
	return request, source, err
}

// reference is the chart in its chart repository.
func (g *chartGenerator) reference() *chartRef {
	version := g.Version
	if version == "" && g.Devel {
		version = ">0.0.0-0"
	}
	return &chartRef{Repository: strings.TrimSuffix(g.Repo, "/"), Name: g.Name, Version: version}
}

// askForCharts asks for the charts of a kustomization which are in no directory, so that one round
// tells the agent of all.
func (w *walk) askForCharts(found *kustomization) error {
	for _, chart := range found.HelmCharts {
		g := &chartGenerator{HelmChart: chart, entry: entryOf{directory: found.directory}}
		if found.HelmGlobals != nil {
			g.HelmGlobals = *found.HelmGlobals
		}
		if g.ChartHome == "" {
			g.ChartHome = types.HelmDefaultHome
		}
		directory := path.Join(g.home(), g.Name)
		if g.Repo == "" || g.Name == "" || w.files.rootOf(directory) == "" || w.files.IsDir(directory) {
			continue
		}
		_, err := w.files.repository.chart(*g.reference())
		if errors.Is(err, errLater) {
			w.later = err
		}
	}
	return nil
}

// values merges the values of an entry as Kustomize does before it hands them to Helm.
func (g *chartGenerator) values(source *repository, request helmRequest) (map[string]any, error) {
	values := map[string]any{}
	if len(g.ValuesInline) == 0 || g.ValuesMerge != "replace" {
		content, err := g.base(source, request)
		if err != nil {
			return nil, err
		}
		if len(g.ValuesInline) > 0 {
			if content, err = g.inline(content); err != nil {
				return nil, g.fail("helm.values", "`valuesInline` and the values file cannot be merged")
			}
		}
		if values, err = loader.LoadValues(bytes.NewReader(content)); err != nil {
			return nil, g.fail("helm.values", "the values file is not a map")
		}
	} else {
		content, err := yaml.Marshal(g.ValuesInline)
		if err != nil {
			return nil, err
		}
		if values, err = loader.LoadValues(bytes.NewReader(content)); err != nil {
			return nil, err
		}
	}
	for _, written := range g.AdditionalValuesFiles {
		content, err := g.load(written)
		if err != nil {
			return nil, err
		}
		more, err := loader.LoadValues(bytes.NewReader(content))
		if err != nil {
			return nil, g.fail("helm.values", "`"+written+"` is not a map")
		}
		values = loader.MergeMaps(values, more)
	}
	return values, nil
}

// base is the content of `valuesFile`, else of the values file of the chart.
func (g *chartGenerator) base(source *repository, request helmRequest) ([]byte, error) {
	switch {
	case g.ValuesFile != "":
		return g.load(g.ValuesFile)
	case request.Chart == nil:
		return g.load(path.Join(g.home(), g.Name, "values.yaml"))
	}
	read, err := readChart(source, request)
	if err != nil {
		return nil, err
	}
	return read.file("values.yaml"), nil
}

// load reads a file that the kustomization may read.
func (g *chartGenerator) load(written string) ([]byte, error) {
	content, err := g.helpers.Loader().Load(written)
	var known *failure
	if err != nil && !errors.As(err, &known) {
		// Kustomize is to say it, so that it is told as of any other file.
		return nil, fmt.Errorf("values of the chart %s: %w", g.Name, err)
	}
	return content, err
}

// inline merges the values of a file and the inline ones; which win is what `valuesMerge` says.
func (g *chartGenerator) inline(content []byte) ([]byte, error) {
	file, err := kyaml.Parse(string(content))
	if err != nil {
		// A file without content.
		file = kyaml.NewMapRNode(nil)
	}
	inline, err := kyaml.FromMap(g.ValuesInline)
	if err != nil {
		return nil, err
	}
	over, under := inline, file
	if g.ValuesMerge == "merge" {
		over, under = file, inline
	}
	merged, err := merge2.Merge(over, under.Copy(), kyaml.MergeOptions{})
	if err != nil {
		return nil, err
	}
	values, err := merged.Map()
	if err != nil {
		return nil, err
	}
	return json.Marshal(values)
}

// releaseName is what Helm makes of `--name-template`, and of none.
func releaseName(text string) (string, error) {
	if text == "" {
		return "release-name", nil
	}
	functions := sprig.TxtFuncMap()
	for _, name := range []string{"env", "expandenv", "getHostByName"} {
		delete(functions, name)
	}
	parsed, err := template.New("name").Funcs(functions).Parse(text)
	if err != nil {
		return "", err
	}
	var name strings.Builder
	if err := parsed.Execute(&name, nil); err != nil {
		return "", err
	}
	if name.Len() > 53 {
		return "", fmt.Errorf("the name is longer than 53 characters")
	}
	return name.String(), nil
}
