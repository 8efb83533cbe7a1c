package main

import (
	"errors"
	"fmt"
	"log"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

// longestNotes bounds what a chart says to its user, in bytes.
const longestNotes = 64 << 10

// helmRender is one request, ready to go through the templates.
type helmRender struct {
	request      helmRequest
	chart        *chart.Chart
	paths        *chartPaths
	values       map[string]any
	capabilities *common.Capabilities
	functions    *functions
}

// renderHelm renders a chart as `helm template --include-crds` does and in its order: CRDs, the
// objects of the release in Helm's order of installation, then hooks. Tests are left out. A chart
// that called a function that is not deterministic is rendered twice, to tell what differs.
func renderHelm(repository *repository, output *output, request helmRequest) error {
	render, err := prepare(repository, request)
	if err != nil {
		return err
	}
	first, err := render.run()
	if err != nil {
		return err
	}
	if len(render.functions.unstable) > 0 {
		render.compare(first)
	}
	for _, object := range first.objects {
		if err := output.add(object); err != nil {
			return err
		}
	}
	output.notes = bounded(first.notes, longestNotes)
	return nil
}

func prepare(repository *repository, request helmRequest) (*helmRender, error) {
	if err := chartutil.ValidateReleaseName(request.ReleaseName); err != nil {
		return nil, &failure{Code: "helm.release_name", Message: "the name of the release is not valid: " + err.Error()}
	}
	loaded, paths, err := loadChart(repository, request)
	if err != nil && !errors.Is(err, errLater) {
		return nil, err
	}
	// The values are read even if the chart comes later: they may be of a source that comes later too.
	values, valuesErr := collectValues(repository, request)
	if err := errors.Join(err, valuesErr); err != nil {
		return nil, err
	}
	capabilities, err := capabilitiesOf(request)
	if err != nil {
		return nil, err
	}
	paths.alias(".", loaded)
	if err := chartutil.ProcessDependencies(loaded, values); err != nil {
		return nil, valuesFailure(paths, err)
	}
	if wanted := loaded.Metadata.KubeVersion; wanted != "" && !chartutil.IsCompatibleRange(wanted, capabilities.KubeVersion.String()) {
		return nil, &failure{
			Code:    "helm.kube_version",
			Message: fmt.Sprintf("the chart wants Kubernetes %s, the cluster has %s", wanted, capabilities.KubeVersion.Version),
			File:    paths.show("Chart.yaml"),
		}
	}
	return &helmRender{
		request:      request,
		chart:        loaded,
		paths:        paths,
		values:       values,
		capabilities: capabilities,
		functions:    newFunctions(repository, request.Lookup),
	}, nil
}

// run goes through the templates once. Templates may change the values that they see, so each run
// makes its own.
func (r *helmRender) run() (*rendered, error) {
	options := common.ReleaseOptions{
		Name:      r.request.ReleaseName,
		Namespace: r.request.Namespace,
		Revision:  1,
		IsInstall: !r.request.Upgrade,
		IsUpgrade: r.request.Upgrade,
	}
	// The schema is checked by validate, which can fetch nothing.
	top, err := util.ToRenderValuesWithSchemaValidation(r.chart, r.values, options, r.capabilities, true)
	if err != nil {
		return nil, valuesFailure(r.paths, err)
	}
	if merged, err := top.Table("Values"); err == nil && !r.request.SkipSchema && !r.functions.second {
		if err := validate(r.chart, merged, r.paths); err != nil {
			return nil, err
		}
	}
	files, err := r.functions.engine().Render(r.chart, top)
	if err != nil {
		return nil, r.functions.failure(r.paths, err)
	}
	return r.objects(files)
}

// compare renders a second time and notes what differs.
func (r *helmRender) compare(first *rendered) {
	names := r.functions.names()
	r.functions.again()
	second, err := r.run()
	if err != nil {
		log.Printf("the chart calls %s and fails when it is rendered once more, so it is not known what else would differ", names)
		return
	}
	for _, single := range markUnstable(first.objects, second.objects) {
		log.Printf("the chart calls %s, so %s has another name each time or is not always there", names, single)
	}
}

// capabilitiesOf describes the cluster. API versions that are given take the place of the built-in
// list, as they are all that the cluster has.
func capabilitiesOf(request helmRequest) (*common.Capabilities, error) {
	capabilities := common.DefaultCapabilities.Copy()
	if request.Cluster.KubeVersion != "" {
		version, err := common.ParseKubeVersion(request.Cluster.KubeVersion)
		if err != nil {
			return nil, &failure{Code: "helm.kube_version", Message: "the version of Kubernetes cannot be read"}
		}
		capabilities.KubeVersion = *version
	}
	if len(request.Cluster.APIVersions) > 0 {
		capabilities.APIVersions = request.Cluster.APIVersions
	}
	capabilities.APIVersions = append(slices.Clip(capabilities.APIVersions), request.Cluster.MoreAPIVersions...)
	return capabilities, nil
}

// valuesFailure tells of values that do not fit each other.
func valuesFailure(paths *chartPaths, err error) error {
	message := err.Error()
	if name, ok := strings.CutPrefix(message, "type mismatch on "); ok {
		// Helm goes on with the value.
		name, _, _ = strings.Cut(name, ":")
		message = "the values of the chart " + name + " are not a map"
	}
	return &failure{Code: "helm.values", Message: message, File: paths.show("values.yaml")}
}

func bounded(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}

// below joins the shown name of a chart, which may be a URL, with a path in it.
func below(shown, name string) string {
	if shown == "" {
		return path.Clean(name)
	}
	return shown + "/" + name
}
