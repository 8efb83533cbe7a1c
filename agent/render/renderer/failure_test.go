package main

import (
	"errors"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

func TestScrubRemovesValuesAndOurNameForTheRoot(t *testing.T) {
	for _, message := range []string{
		"yaml: cannot unmarshal !!str `hunter2` into int",
		"unable to parse SM or JSON patch from [patch: \"a: hunter2\"]",
		"range can't iterate over hunter2",
		`strconv.Atoi: parsing "hunter2": invalid syntax`,
		"cannot overwrite table with non table for a.b (map[x:hunter2\nhunter2])",
	} {
		if told := scrub(message); strings.Contains(told, "hunter2") {
			t.Errorf("%q", told)
		}
	}
	if told := scrub("no " + root + "/apps/web, no " + root); told != "no apps/web, no the root of the repository" {
		t.Errorf("%q", told)
	}
}

func TestPanicsOfUnknownTypeAreNotQuoted(t *testing.T) {
	if told := panicked("hunter2"); strings.Contains(told.Message, "hunter2") {
		t.Errorf("%q", told.Message)
	}
}

func TestPlacesOfHelmBecomePathsOfTheRepository(t *testing.T) {
	paths := newChartPaths(&chartFiles{
		shown: "apps/web",
		files: []*archive.BufferedFile{
			{Name: "charts/mysql/Chart.yaml", Data: []byte("name: database\nversion: 1.0.0\n")},
			{Name: "charts/cache-2.1.0.tgz!/Chart.yaml", Data: []byte("name: cache\nversion: 2.1.0\n")},
			{Name: "charts/far-1.0.0.tgz!/Chart.yaml", Data: []byte("name: far\nversion: 1.0.0\n")},
			{Name: "charts/far-1.0.0.tgz!/charts/in-1.0.0.tgz!/Chart.yaml", Data: []byte("name: in\nversion: 1.0.0\n")},
		},
		mounts: map[string]string{"charts/far-1.0.0.tgz!": "https://charts.example.com/far-1.0.0.tgz"},
	})
	parent := &chart.Chart{Metadata: &chart.Metadata{Dependencies: []*chart.Dependency{{Name: "database", Version: "^1", Alias: "db"}}}}
	paths.alias(".", parent)
	for name, want := range map[string]string{
		"web/templates/a.yaml":                      "apps/web/templates/a.yaml",
		"web/charts/db/templates/a.yaml":            "apps/web/charts/mysql/templates/a.yaml",
		"web/charts/cache/templates/a.yaml":         "apps/web/charts/cache-2.1.0.tgz/templates/a.yaml",
		"web/charts/far/templates/a.yaml":           "https://charts.example.com/far-1.0.0.tgz/templates/a.yaml",
		"web/charts/far/charts/in/templates/a.yaml": "https://charts.example.com/far-1.0.0.tgz/charts/in-1.0.0.tgz/templates/a.yaml",
		"web/charts/db/charts/in/templates/a.yaml":  "apps/web/charts/mysql/charts/in/templates/a.yaml",
	} {
		if got := paths.file(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	var told *failure
	err := errors.New("execution error at (web/templates/a.yaml:12:5): set the host")
	if !errors.As(templateFailure(paths, err), &told) || told.Code != "helm.fail" || told.Line != 12 || told.Column != 5 {
		t.Errorf("told %+v", told)
	}
}

func TestPathsThatLeaveTheRepositoryDoNotResolve(t *testing.T) {
	for _, written := range []string{"../../x", "/x", "a/../../../x"} {
		if resolved, err := resolve("charts", written); err == nil {
			t.Errorf("%s: %s", written, resolved)
		}
	}
	if resolved, err := resolve("charts/web", "../../values/a.yaml"); err != nil || resolved != "values/a.yaml" {
		t.Errorf("%s %v", resolved, err)
	}
}
