package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"sigs.k8s.io/yaml"
)

// declared is what a chart says of the charts that it depends on.
type declared struct {
	// file says it: Chart.yaml, or requirements.yaml of a chart of version 1.
	file         string
	apiVersion   string
	dependencies []*chart.Dependency
	lock         *chart.Lock
}

// chartFiles are the files of a chart, with its place.
type chartFiles struct {
	// directory is the one in the repository; inArchive says that there is none.
	directory string
	inArchive bool
	// shown names the chart for people: the directory or the archive.
	shown string
	files []*archive.BufferedFile
	// mounts has the shown names of directories of the chart that stand for something else.
	mounts map[string]string
}

// completeDependencies adds the charts that are declared but not in `charts/`: those of a chart
// repository in the version that is locked, and those of another directory as they are.
func completeDependencies(repository *repository, parent *chartFiles, open []string) error {
	said, err := parent.declared()
	if err != nil {
		return err
	}
	var missing []*chart.Dependency
	for _, dependency := range said.dependencies {
		if dependency != nil && !parent.has(dependency.Name) {
			missing = append(missing, dependency)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	file := below(parent.shown, said.file)
	if said.lock != nil && !said.lockFits() {
		return &failure{Code: "helm.dep", Message: "lock out of date: the lock file was made for other dependencies; run `helm dependency update` and commit the result", File: file, exact: true}
	}
	var later error
	done := map[chartRef]bool{}
	for _, dependency := range missing {
		wanted, err := said.locked(dependency, file)
		if err != nil {
			return err
		}
		key := chartRef{Repository: wanted.Repository, Name: wanted.Name, Version: wanted.Version}
		if done[key] {
			continue
		}
		done[key] = true
		if written, ok := strings.CutPrefix(wanted.Repository, "file://"); ok {
			err = parent.addDirectory(repository, written, dependency, file, open)
		} else {
			err = parent.addArchive(repository, wanted)
		}
		if errors.Is(err, errLater) {
			// The others are asked for as well, so that the agent learns of all it has to fetch.
			later = err
		} else if err != nil {
			return err
		}
	}
	return later
}

// declared reads the dependencies and the lock as Helm's loader does.
func (c *chartFiles) declared() (declared, error) {
	said := declared{file: "Chart.yaml"}
	content := c.file(said.file)
	if content == nil {
		return said, &failure{Code: "helm.chart", Message: "the chart has no Chart.yaml", File: c.shown}
	}
	var metadata chart.Metadata
	if err := yaml.Unmarshal(content, &metadata); err != nil {
		return said, chartFailure(c.shown, c.files, err)
	}
	if metadata.APIVersion == "" {
		metadata.APIVersion = chart.APIVersionV1
	}
	if err := checkMetadata(below(c.shown, said.file), &metadata); err != nil {
		return said, err
	}
	if content := c.file("requirements.yaml"); content != nil {
		if len(metadata.Dependencies) == 0 {
			said.file = "requirements.yaml"
		}
		if err := yaml.Unmarshal(content, &metadata); err != nil {
			return said, chartFailure(c.shown, c.files, err)
		}
	}
	if err := metadata.Validate(); err != nil {
		return said, chartFailure(c.shown, c.files, err)
	}
	for _, name := range []string{"Chart.lock", "requirements.lock"} {
		if content := c.file(name); content != nil {
			said.lock = new(chart.Lock)
			if err := yaml.Unmarshal(content, said.lock); err != nil {
				return said, chartFailure(c.shown, c.files, err)
			}
		}
	}
	said.apiVersion = metadata.APIVersion
	said.dependencies = metadata.Dependencies
	return said, nil
}

func (c *chartFiles) file(name string) []byte {
	for _, file := range c.files {
		if file.Name == name {
			return file.Data
		}
	}
	return nil
}

// has says whether a chart of a name lies in `charts/`, in any version, as Helm looks for it.
func (c *chartFiles) has(name string) bool {
	for _, file := range c.files {
		parts := strings.Split(file.Name, "/")
		if len(parts) == 3 && parts[0] == "charts" && parts[2] == "Chart.yaml" && strings.IndexAny(parts[1], "_.") != 0 {
			if metadata := readMetadata(file.Data); metadata.Name == name {
				return true
			}
		}
	}
	return false
}

// lockFits holds the digest of the lock against the dependencies, by the ways of Helm 3 and later
// and, for charts of version 1, of Helm 2.
func (d declared) lockFits() bool {
	now := [2][]*chart.Dependency{d.dependencies, d.lock.Dependencies}
	if digest(now) == d.lock.Digest {
		return true
	}
	old := map[string][]*chart.Dependency{"dependencies": d.dependencies}
	return d.apiVersion == chart.APIVersionV1 && digest(old) == d.lock.Digest
}

func digest(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// locked returns the entry of the lock for a dependency. One of a directory needs no lock: the
// commit is its lock.
func (d declared) locked(dependency *chart.Dependency, file string) (*chart.Dependency, error) {
	refuse := func(message string) (*chart.Dependency, error) {
		named := fmt.Sprintf("%s %s is not in `charts/`", dependency.Name, dependency.Version)
		return nil, &failure{Code: "helm.dep", Message: named + message, File: file, exact: true}
	}
	repository := dependency.Repository
	switch {
	case repository == "":
		return refuse(" and has no repository")
	case strings.HasPrefix(repository, "@"), strings.HasPrefix(repository, "alias:"):
		return refuse(", and the name of its repository is known to one computer only; write its URL")
	case strings.HasPrefix(repository, "file://"):
		return dependency, nil
	case !strings.HasPrefix(repository, "https://") && !strings.HasPrefix(repository, "http://") && !strings.HasPrefix(repository, "oci://"):
		return refuse(", and its repository has no known kind of URL")
	case d.lock == nil:
		return refuse(", and there is no lock file; run `helm dependency update` and commit Chart.lock")
	}
	// Two entries of one name are told apart by the place in the list, which the lock keeps.
	if at := slices.Index(d.dependencies, dependency); at < len(d.lock.Dependencies) {
		if entry := d.lock.Dependencies[at]; entry != nil && entry.Name == dependency.Name {
			return entry, nil
		}
	}
	for _, entry := range d.lock.Dependencies {
		if entry != nil && entry.Name == dependency.Name {
			return entry, nil
		}
	}
	return refuse(" and not in the lock file; run `helm dependency update` and commit the result")
}

// addArchive puts a chart of a chart repository into `charts/`.
func (c *chartFiles) addArchive(repository *repository, wanted *chart.Dependency) error {
	reference := chartRef{Repository: wanted.Repository, Name: wanted.Name, Version: wanted.Version}
	packed, err := repository.chart(reference)
	if err != nil {
		return err
	}
	added, err := fetchedChart(reference, packed)
	if err != nil {
		return err
	}
	c.mount(added, fmt.Sprintf("charts/%s-%s.tgz%s", wanted.Name, wanted.Version, packedMark))
	return nil
}

// addDirectory puts a chart of another directory of the repository into `charts/`, with what it
// depends on itself.
func (c *chartFiles) addDirectory(repository *repository, written string, wanted *chart.Dependency, file string, open []string) error {
	if c.inArchive {
		return &failure{Code: "helm.dep", Message: wanted.Name + " is in another directory, but the chart is an archive", File: file, exact: true}
	}
	directory, err := resolve(c.directory, written)
	if err != nil {
		return err
	}
	if slices.Contains(open, directory) || len(open) > archiveDepth {
		loop := strings.Join(append(open, directory), " -> ")
		return &failure{Code: "helm.dep", Message: "the dependencies go round in a circle: " + loop, File: file, exact: true}
	}
	added, err := directoryFiles(repository, directory, append(open, directory))
	if err != nil {
		return err
	}
	found := readMetadata(added.file("Chart.yaml"))
	if found.Name != wanted.Name || wanted.Version != "" && !chartutil.IsCompatibleRange(wanted.Version, found.Version) {
		return &failure{
			Code:    "helm.dep",
			Message: fmt.Sprintf("%s %s is wanted, %s has %s %s", wanted.Name, wanted.Version, directory, found.Name, found.Version),
			File:    file,
			exact:   true,
		}
	}
	c.mount(added, fmt.Sprintf("charts/%s-%s.dir%s", found.Name, found.Version, packedMark))
	return nil
}

// mount adds the files of a chart below a directory.
func (c *chartFiles) mount(added *chartFiles, at string) {
	for _, file := range added.files {
		c.files = append(c.files, &archive.BufferedFile{Name: at + "/" + file.Name, Data: file.Data})
	}
	c.mounts[at] = added.shown
	for below, shown := range added.mounts {
		c.mounts[at+"/"+below] = shown
	}
}

// fetchedChart reads an archive of a chart repository.
func fetchedChart(reference chartRef, packed []byte) (*chartFiles, error) {
	shown := archiveName(reference)
	files, err := readArchive(shown, packed)
	if err != nil {
		return nil, err
	}
	read := &chartFiles{inArchive: true, shown: shown, files: files, mounts: map[string]string{}}
	if found := readMetadata(read.file("Chart.yaml")); found.Version != "" {
		// The version that was asked for may be a range.
		reference.Version = found.Version
		read.shown = archiveName(reference)
	}
	read.files, err = unpackCharts(read.shown, files, 1)
	return read, err
}

// metadata is the identity of a chart.
type metadata struct {
	APIVersion string `json:"apiVersion"`
	Name       string `json:"name"`
	Version    string `json:"version"`
}

// readMetadata reads what can be read.
func readMetadata(content []byte) metadata {
	var read metadata
	_ = yaml.Unmarshal(content, &read)
	return read
}
