package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/ignore"
	"sigs.k8s.io/yaml"
)

// loadChart reads the chart in a directory of the repository, with the charts below it.
func loadChart(repository *repository, directory string) (*chart.Chart, *chartPaths, error) {
	rules, err := ignoreRules(repository, directory)
	if err != nil {
		return nil, nil, err
	}
	var files []*archive.BufferedFile
	if err := collect(repository, directory, "", rules, &files); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, &failure{Code: "path.not_found", Message: "the directory of the chart does not exist", File: directory}
		}
		return nil, nil, err
	}
	paths := newChartPaths(directory, files)
	if err := checkMetadata(directory, files); err != nil {
		return nil, nil, err
	}
	loaded, err := loader.LoadFiles(files)
	if err != nil {
		return nil, nil, chartFailure(directory, files, err)
	}
	if loaded.Metadata.Type == "library" {
		return nil, nil, &failure{Code: "helm.chart", Message: "a library chart cannot be installed", File: path.Join(directory, "Chart.yaml")}
	}
	if missing := missingDependencies(loaded); len(missing) > 0 {
		return nil, nil, &failure{
			Code:    "helm.dep",
			Message: "dependencies are declared but not in `charts/`: " + strings.Join(missing, ", ") + "; run `helm dependency update` and commit the result",
			File:    path.Join(directory, "Chart.yaml"),
			exact:   true,
		}
	}
	return loaded, paths, nil
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
		content = bytes.TrimPrefix(content, []byte("\xEF\xBB\xBF"))
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
func checkMetadata(directory string, files []*archive.BufferedFile) error {
	file := path.Join(directory, "Chart.yaml")
	for _, candidate := range files {
		if candidate.Name != "Chart.yaml" {
			continue
		}
		var metadata struct {
			APIVersion string `json:"apiVersion"`
			Name       string `json:"name"`
		}
		if err := yaml.Unmarshal(candidate.Data, &metadata); err != nil {
			line, message := splitLine(err.Error())
			return &failure{Code: "helm.chart", Message: message, File: file, Line: line}
		}
		switch metadata.APIVersion {
		case "", "v1", "v2":
		default:
			return &failure{Code: "helm.chart", Message: "only charts of apiVersion v1 and v2 are supported", File: file}
		}
		if name := metadata.Name; name == "." || name == ".." || strings.ContainsAny(name, `/\`) {
			return &failure{Code: "helm.chart_name", Message: "the name of the chart is not valid", File: file}
		}
		return nil
	}
	return &failure{Code: "helm.chart", Message: "the chart has no Chart.yaml", File: directory}
}

// chartFailure finds the file that made the chart unreadable.
func chartFailure(directory string, files []*archive.BufferedFile, err error) error {
	for _, file := range files {
		switch path.Base(file.Name) {
		case "Chart.yaml", "Chart.lock", "values.yaml", "requirements.yaml", "requirements.lock":
			if line, message, found := unreadable(file.Data); found {
				return &failure{Code: "helm.chart", Message: message, File: path.Join(directory, file.Name), Line: line}
			}
		}
	}
	return &failure{Code: "helm.chart", Message: err.Error(), File: path.Join(directory, "Chart.yaml")}
}

// missingDependencies names the declared charts that are not in `charts/`.
func missingDependencies(parent *chart.Chart) []string {
	var missing []string
	for _, declared := range parent.Metadata.Dependencies {
		found := false
		for _, present := range parent.Dependencies() {
			found = found || present.Name() == declared.Name
		}
		if !found {
			missing = append(missing, fmt.Sprintf("%s %s", declared.Name, declared.Version))
		}
	}
	return missing
}
