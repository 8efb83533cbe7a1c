package main

import (
	"errors"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

// chartPaths knows where the files of a chart and of the charts in it stand in the repository.
// Helm names them by the names of the charts, which need not be the names of directories.
type chartPaths struct {
	// shown names the chart: its directory or its archive.
	shown string
	// mounts has the shown names of directories that stand for an archive or another directory.
	mounts map[string]string
	// charts has, for the directory of a chart, the charts in it.
	charts map[string][]placedChart
	// sources has the text of each template by its shown name.
	sources map[string][]byte
}

// placedChart is a chart in another one.
type placedChart struct {
	directory, name, version string
	// alias is the name that its parent gives it; a chart with several has several entries.
	alias string
}

func newChartPaths(read *chartFiles) *chartPaths {
	paths := &chartPaths{shown: read.shown, mounts: read.mounts, charts: map[string][]placedChart{}, sources: map[string][]byte{}}
	for _, file := range read.files {
		at := path.Dir(file.Name)
		if path.Base(file.Name) == "Chart.yaml" && path.Base(path.Dir(at)) == "charts" {
			found := readMetadata(file.Data)
			parent := path.Dir(path.Dir(at))
			paths.charts[parent] = append(paths.charts[parent], placedChart{directory: at, name: found.Name, version: found.Version})
		}
	}
	for _, file := range read.files {
		if strings.HasPrefix(file.Name, "templates/") || strings.Contains(file.Name, "/templates/") {
			paths.sources[paths.show(file.Name)] = file.Data
		}
	}
	return paths
}

// alias lets the charts in the chart at a directory be found under the names that it gives them.
func (p *chartPaths) alias(at string, parent *chart.Chart) {
	for _, declared := range parent.Metadata.Dependencies {
		if declared == nil || declared.Alias == "" {
			continue
		}
		for _, known := range p.charts[at] {
			if known.alias == "" && known.name == declared.Name && chartutil.IsCompatibleRange(declared.Version, known.version) {
				known.alias = declared.Alias
				p.charts[at] = append(p.charts[at], known)
				break
			}
		}
	}
	for _, child := range parent.Dependencies() {
		for _, known := range p.charts[at] {
			if known.alias == "" && known.name == child.Name() && known.version == child.Metadata.Version {
				p.alias(known.directory, child)
				break
			}
		}
	}
}

// show names a file of the chart for people.
func (p *chartPaths) show(name string) string {
	shown, inner := p.shown, name
	for at := path.Dir(name); at != "."; at = path.Dir(at) {
		if mounted, ok := p.mounts[at]; ok {
			shown, inner = mounted, strings.TrimPrefix(name, at+"/")
			break
		}
	}
	return below(shown, strings.ReplaceAll(inner, ".tgz"+packedMark+"/", ".tgz/"))
}

// file translates the name that Helm gives a file, such as `web/charts/db/templates/a.yaml`.
func (p *chartPaths) file(name string) string {
	_, rest, _ := strings.Cut(name, "/")
	at := "."
	for {
		below, ok := strings.CutPrefix(rest, "charts/")
		if !ok {
			break
		}
		chart, inner, ok := strings.Cut(below, "/")
		if !ok {
			break
		}
		at, rest = p.directory(at, chart), inner
	}
	return p.show(path.Join(at, rest))
}

// directory returns the directory of a chart in the chart at another directory.
func (p *chartPaths) directory(at, name string) string {
	for _, known := range p.charts[at] {
		if known.alias == name {
			return known.directory
		}
	}
	for _, known := range p.charts[at] {
		if known.name == name {
			return known.directory
		}
	}
	return path.Join(at, "charts", name)
}

// templatePlace finds `chart/templates/a.yaml:12:5` in the messages of Helm.
var templatePlace = regexp.MustCompile(`([A-Za-z0-9][^\s"'():<>]*/templates/[^\s"'():<>]+)(?::(\d+))?(?::(\d+))?`)

// tplText finds what `tpl` says of the text it was given, which comes from the values.
var tplText = regexp.MustCompile(`(?s)(cannot parse template|error during tpl function execution for) ".*$`)

// failure tells why a template failed: because of a call that these functions refused, or else.
func (f *functions) failure(paths *chartPaths, err error) error {
	var told *failure
	if !errors.As(templateFailure(paths, err), &told) || f.denied == nil {
		return told
	}
	refused := *f.denied
	refused.File, refused.Line, refused.Column = told.File, told.Line, told.Column
	return &refused
}

// endless has what Helm and Go say of a template that includes itself.
var endless = []string{"rendering template has a nested reference name", "exceeded maximum template depth"}

// templateFailure gives an error of a template its code and the innermost place it names, with
// all places as paths of the repository.
func templateFailure(paths *chartPaths, err error) error {
	message := tplText.ReplaceAllString(err.Error(), "$1 a value")
	told := &failure{Code: "helm.template"}
	if strings.HasPrefix(message, "execution error at (") {
		// What `required` and `fail` say.
		told.Code = "helm.fail"
	}
	for _, words := range endless {
		if strings.Contains(message, words) {
			told.Code = "helm.limit"
		}
	}
	for _, match := range templatePlace.FindAllStringSubmatch(message, -1) {
		if match[2] == "" && told.File != "" {
			continue
		}
		told.File = paths.file(match[1])
		told.Line, _ = strconv.Atoi(match[2])
		told.Column, _ = strconv.Atoi(match[3])
	}
	told.Message = templatePlace.ReplaceAllStringFunc(message, func(place string) string {
		match := templatePlace.FindStringSubmatch(place)
		return paths.file(match[1]) + strings.TrimPrefix(place, match[1])
	})
	if told.Code == "helm.fail" {
		if _, said, ok := strings.Cut(told.Message, "): "); ok {
			told.Message = said
		}
	}
	told.Message = strings.Join(strings.Fields(told.Message), " ")
	switch told.Code {
	case "helm.template":
		told.Message = maskQuotes(told.Message)
	case "helm.limit":
		told.Message, told.exact = "the template includes itself without end", true
	}
	return told
}

func sortedKeys[V any](from map[string]V) []string {
	return slices.Sorted(maps.Keys(from))
}
