package main

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	"sigs.k8s.io/yaml"
)

// chartPaths knows where the files of a chart and of the charts in it stand in the repository.
// Helm names them by the names of the charts, which need not be the names of directories.
type chartPaths struct {
	directory string
	// directories has, for the directory of a chart, the directory of each chart in it by name.
	directories map[string]map[string]string
}

func newChartPaths(directory string, files []*archive.BufferedFile) *chartPaths {
	paths := &chartPaths{directory: directory, directories: map[string]map[string]string{}}
	for _, file := range files {
		at := path.Dir(file.Name)
		if path.Base(path.Dir(at)) == "charts" && path.Base(file.Name) == "Chart.yaml" {
			var metadata struct {
				Name string `json:"name"`
			}
			if yaml.Unmarshal(file.Data, &metadata) == nil && metadata.Name != "" {
				paths.remember(path.Dir(path.Dir(at)), metadata.Name, at)
			}
		}
		if path.Base(at) == "charts" && path.Ext(file.Name) == ".tgz" {
			name, _, _ := strings.Cut(path.Base(file.Name), "-")
			base := strings.TrimSuffix(path.Base(file.Name), ".tgz")
			if cut := versionStart.FindStringIndex(base); cut != nil {
				name = base[:cut[0]]
			}
			paths.remember(path.Dir(at), name, file.Name)
		}
	}
	return paths
}

var versionStart = regexp.MustCompile(`-v?\d+\.`)

func (p *chartPaths) remember(parent, name, at string) {
	if p.directories[parent] == nil {
		p.directories[parent] = map[string]string{}
	}
	p.directories[parent][name] = at
}

// alias lets a chart be found under the name that its parent gives it.
func (p *chartPaths) alias(alias, name string) {
	for _, charts := range p.directories {
		if at, ok := charts[name]; ok && charts[alias] == "" {
			charts[alias] = at
		}
	}
}

// file turns a name that Helm gives, `web/charts/db/templates/a.yaml`, into a path of the
// repository. Files of a packed chart are named by the package.
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
		directory, known := p.directories[at][chart]
		if !known {
			directory = path.Join(at, "charts", chart)
		}
		if path.Ext(directory) == ".tgz" {
			return path.Join(p.directory, directory)
		}
		at, rest = directory, inner
	}
	return path.Join(p.directory, at, rest)
}

// templatePlace finds `chart/templates/a.yaml:12:5` in the messages of Helm.
var templatePlace = regexp.MustCompile(`([A-Za-z0-9][^\s"'():<>]*/templates/[^\s"'():<>]+)(?::(\d+))?(?::(\d+))?`)

// tplText finds what `tpl` says of the text it was given, which comes from the values.
var tplText = regexp.MustCompile(`(?s)(cannot parse template|error during tpl function execution for) ".*$`)

// templateFailure gives an error of a template its code and the innermost place it names, with
// all places as paths of the repository.
func templateFailure(paths *chartPaths, err error) error {
	message := tplText.ReplaceAllString(err.Error(), "$1 a value")
	told := &failure{Code: "helm.template"}
	if strings.HasPrefix(message, "execution error at (") {
		// What `required` and `fail` say.
		told.Code = "helm.fail"
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
	if told.Code == "helm.template" {
		told.Message = maskQuotes(told.Message)
	}
	return told
}

func sortedKeys[V any](from map[string]V) []string {
	return slices.Sorted(maps.Keys(from))
}
