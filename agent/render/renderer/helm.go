package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	release "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"sigs.k8s.io/yaml"
)

// renderHelm renders a chart as `helm template --include-crds` does, with CRDs first and then the
// templates in the order of their names. Notes and tests are left out.
func renderHelm(repository *repository, output *output, request helmRequest) error {
	loaded, paths, err := loadChart(repository, request.Path)
	if err != nil {
		return err
	}
	values, err := collectValues(repository, request)
	if err != nil {
		return err
	}
	capabilities, err := capabilitiesOf(request)
	if err != nil {
		return err
	}
	if wanted := loaded.Metadata.KubeVersion; wanted != "" && !chartutil.IsCompatibleRange(wanted, capabilities.KubeVersion.String()) {
		return &failure{
			Code:    "helm.kube_version",
			Message: fmt.Sprintf("the chart wants Kubernetes %s, the cluster has %s", wanted, capabilities.KubeVersion.Version),
			File:    path.Join(request.Path, "Chart.yaml"),
		}
	}
	rememberAliases(paths, loaded)
	if err := chartutil.ProcessDependencies(loaded, values); err != nil {
		return &failure{Code: "helm.dep", Message: err.Error(), File: path.Join(request.Path, "Chart.yaml")}
	}
	options := common.ReleaseOptions{
		Name:      request.ReleaseName,
		Namespace: request.Namespace,
		Revision:  1,
		IsInstall: !request.Upgrade,
		IsUpgrade: request.Upgrade,
	}
	// The schema is checked by validate, which can fetch nothing.
	top, err := util.ToRenderValuesWithSchemaValidation(loaded, values, options, capabilities, true)
	if err != nil {
		return &failure{Code: "helm.values", Message: err.Error(), File: path.Join(request.Path, "values.yaml")}
	}
	if merged, err := top.Table("Values"); err == nil {
		if err := validate(loaded, merged, paths); err != nil {
			return err
		}
	}
	rendered, err := engine.Engine{}.Render(loaded, top)
	if err != nil {
		return templateFailure(paths, err)
	}
	return emit(output, paths, loaded, rendered)
}

// collectValues merges values files and then inline values, later over earlier, as Helm does.
func collectValues(repository *repository, request helmRequest) (map[string]any, error) {
	values := map[string]any{}
	for _, written := range request.ValuesFiles {
		file, err := resolve(request.Path, written)
		if err != nil {
			return nil, err
		}
		content, err := repository.read(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &failure{Code: "helm.values", Message: "the values file does not exist", File: file}
		}
		if err != nil {
			return nil, err
		}
		more, err := loader.LoadValues(bytes.NewReader(content))
		if err != nil {
			if line, message, found := unreadable(content); found {
				return nil, &failure{Code: "helm.values", Message: message, File: file, Line: line}
			}
			return nil, &failure{Code: "helm.values", Message: "the values file is not a map", File: file}
		}
		values = loader.MergeMaps(values, more)
	}
	return loader.MergeMaps(values, request.Values), nil
}

// capabilitiesOf describes the cluster. API versions that are given take the place of the built-in
// list, as they are all that the cluster has.
func capabilitiesOf(request helmRequest) (*common.Capabilities, error) {
	capabilities := common.DefaultCapabilities.Copy()
	if request.KubeVersion != "" {
		version, err := common.ParseKubeVersion(request.KubeVersion)
		if err != nil {
			return nil, &failure{Code: "helm.kube_version", Message: "the version of Kubernetes cannot be read"}
		}
		capabilities.KubeVersion = *version
	}
	if len(request.APIVersions) > 0 {
		capabilities.APIVersions = request.APIVersions
	}
	return capabilities, nil
}

func rememberAliases(paths *chartPaths, parent *chart.Chart) {
	for _, declared := range parent.Metadata.Dependencies {
		if declared.Alias != "" {
			paths.alias(declared.Alias, declared.Name)
		}
	}
	for _, child := range parent.Dependencies() {
		rememberAliases(paths, child)
	}
}

// emit sends the CRDs of the chart and then what its templates produced.
func emit(output *output, paths *chartPaths, loaded *chart.Chart, rendered map[string]string) error {
	crds := loaded.CRDObjects()
	sort.SliceStable(crds, func(a, b int) bool { return crds[a].Filename < crds[b].Filename })
	for _, crd := range crds {
		file := paths.file(crd.Filename)
		for _, document := range documents(crd.File.Data) {
			place := origin{File: file, Document: document.number, Line: document.line}
			if path.Ext(file) == ".tgz" {
				place = origin{File: file, Document: 1}
			}
			if err := emitDocument(output, place, document.text); err != nil {
				return err
			}
		}
	}
	for _, name := range sortedKeys(rendered) {
		base := path.Base(name)
		if strings.HasPrefix(base, "_") || base == "NOTES.txt" {
			continue
		}
		for number, text := range splitOutput(rendered[name]) {
			if err := emitDocument(output, origin{File: paths.file(name), Document: number + 1}, text); err != nil {
				return err
			}
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

func emitDocument(output *output, place origin, text string) error {
	body, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		line, message := splitLine(err.Error())
		return &failure{
			Code:    "helm.output",
			Message: fmt.Sprintf("line %d of document %d of the output is not valid YAML: %s", line, place.Document, message),
			File:    place.File,
			Line:    place.Line,
		}
	}
	if string(body) == "null" {
		return nil
	}
	return emitObject(output, place, body)
}

// emitObject sends one object, or the items of a list as objects of their own.
func emitObject(output *output, place origin, body json.RawMessage) error {
	var list struct {
		Kind  string            `json:"kind"`
		Items []json.RawMessage `json:"items"`
	}
	if json.Unmarshal(body, &list) == nil && strings.HasSuffix(list.Kind, "List") && list.Items != nil {
		for _, item := range list.Items {
			if err := emitObject(output, place, item); err != nil {
				return err
			}
		}
		return nil
	}
	hook, test := hookOf(body)
	if test {
		return nil
	}
	return output.add(object{Body: body, Origin: place, Hook: hook})
}

// hookOf returns the hook events of an object, and whether it is nothing but a test.
func hookOf(body json.RawMessage) (events string, test bool) {
	var read head
	if json.Unmarshal(body, &read) != nil {
		return "", false
	}
	events = strings.ReplaceAll(read.Metadata.Annotations[release.HookAnnotation], " ", "")
	if events == "" {
		return "", false
	}
	for _, event := range strings.Split(strings.ToLower(events), ",") {
		if event != "test" && event != "test-success" && event != "test-failure" {
			return events, false
		}
	}
	return "", true
}
