package main

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"log"
	"path"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/ignore"
)

// loadChart reads the chart of a request with the charts that it depends on.
func loadChart(repository *repository, request helmRequest) (*chart.Chart, *chartPaths, error) {
	read, err := readChart(repository, request)
	if err != nil {
		return nil, nil, err
	}
	paths := newChartPaths(read)
	loaded, err := loader.LoadFiles(read.files)
	if err != nil {
		return nil, nil, chartFailure(read.shown, read.files, err)
	}
	sortCharts(loaded)
	if loaded.Metadata.Type == "library" {
		return nil, nil, &failure{Code: "helm.chart", Message: "a library chart cannot be installed", File: below(read.shown, "Chart.yaml")}
	}
	if loaded.Metadata.Deprecated {
		log.Print("this chart is deprecated")
	}
	return loaded, paths, nil
}

func readChart(repository *repository, request helmRequest) (*chartFiles, error) {
	if request.Chart == nil {
		return directoryFiles(repository, request.Path, []string{request.Path})
	}
	packed, err := repository.chart(*request.Chart)
	if err != nil {
		return nil, err
	}
	read, err := fetchedChart(*request.Chart, packed)
	if err != nil {
		return nil, err
	}
	return read, completeDependencies(repository, read, nil)
}

// directoryFiles reads the chart in a directory of the repository. The directories in open wait for
// it.
func directoryFiles(repository *repository, directory string, open []string) (*chartFiles, error) {
	rules, err := ignoreRules(repository, directory)
	if err != nil {
		return nil, err
	}
	read := &chartFiles{directory: directory, shown: directory, mounts: map[string]string{}}
	if err := collect(repository, directory, "", rules, &read.files); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &failure{Code: "path.not_found", Message: "the directory of the chart does not exist", File: directory}
		}
		return nil, err
	}
	if read.files, err = unpackCharts(directory, read.files, 0); err != nil {
		return nil, err
	}
	return read, completeDependencies(repository, read, open)
}

// sortCharts puts the charts in each chart in the order of their names: Helm loads them in a random
// one.
func sortCharts(parent *chart.Chart) {
	children := slices.Clone(parent.Dependencies())
	slices.SortStableFunc(children, func(a, b *chart.Chart) int {
		return cmp.Or(cmp.Compare(a.Name(), b.Name()), cmp.Compare(a.Metadata.Version, b.Metadata.Version))
	})
	parent.SetDependencies(children...)
	for _, child := range children {
		sortCharts(child)
	}
}

func ignoreRules(repository *repository, directory string) (*ignore.Rules, error) {
	file := path.Join(directory, ignore.HelmIgnore)
	content, err := repository.read(file)
	rules := ignore.Empty()
	if err == nil {
		if rules, err = ignore.Parse(bytes.NewReader(content)); err != nil {
			return nil, &failure{Code: "helm.chart", Message: err.Error(), File: file}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	rules.AddDefaults()
	return rules, nil
}

// collect reads all files below a directory that the rules do not exclude, in the order of Helm.
func collect(repository *repository, base, below string, rules *ignore.Rules, into *[]*archive.BufferedFile) error {
	entries, err := repository.list(path.Join(base, below))
	if err != nil {
		return err
	}
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.Name, b.Name) })
	for _, entry := range entries {
		name := path.Join(below, entry.Name)
		if rules.Ignore(name, entryInfo{entry}) {
			continue
		}
		if entry.Directory {
			if err := collect(repository, base, name, rules, into); err != nil {
				return err
			}
			continue
		}
		content, err := repository.read(path.Join(base, name))
		if err != nil {
			return err
		}
		content = bytes.TrimPrefix(content, byteOrderMark)
		*into = append(*into, &archive.BufferedFile{Name: name, Data: content})
	}
	return nil
}

// entryInfo shows an entry to the rules of .helmignore.
type entryInfo struct{ entry entry }

func (e entryInfo) Name() string       { return e.entry.Name }
func (e entryInfo) Size() int64        { return 0 }
func (e entryInfo) ModTime() time.Time { return time.Time{} }
func (e entryInfo) IsDir() bool        { return e.entry.Directory }
func (e entryInfo) Sys() any           { return nil }
func (e entryInfo) Mode() fs.FileMode {
	if e.entry.Directory {
		return fs.ModeDir
	}
	return 0
}

// checkMetadata refuses what Helm would accept or explain badly.
func checkMetadata(file string, found *chart.Metadata) error {
	switch found.APIVersion {
	case chart.APIVersionV1, chart.APIVersionV2:
	default:
		return &failure{Code: "helm.chart", Message: "only charts of apiVersion v1 and v2 are supported", File: file}
	}
	if name := found.Name; name == "." || name == ".." || strings.ContainsAny(name, `/\`) {
		return &failure{Code: "helm.chart_name", Message: "the name of the chart is not valid", File: file}
	}
	return nil
}

// chartFailure finds the file that made the chart unreadable.
func chartFailure(directory string, files []*archive.BufferedFile, err error) error {
	for _, file := range files {
		switch path.Base(file.Name) {
		case "Chart.yaml", "Chart.lock", "values.yaml", "requirements.yaml", "requirements.lock":
			if line, message, found := unreadable(file.Data); found {
				return &failure{Code: "helm.chart", Message: message, File: below(directory, file.Name), Line: line}
			}
		}
	}
	return &failure{Code: "helm.chart", Message: err.Error(), File: below(directory, "Chart.yaml")}
}
