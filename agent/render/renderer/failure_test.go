package main

import (
	"errors"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
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
	paths := newChartPaths("apps/web", []*archive.BufferedFile{
		{Name: "charts/mysql/Chart.yaml", Data: []byte("name: database\n")},
		{Name: "charts/cache-2.1.0.tgz"},
	})
	paths.alias("db", "database")
	for name, want := range map[string]string{
		"web/templates/a.yaml":                     "apps/web/templates/a.yaml",
		"web/charts/db/templates/a.yaml":           "apps/web/charts/mysql/templates/a.yaml",
		"web/charts/cache/templates/a.yaml":        "apps/web/charts/cache-2.1.0.tgz",
		"web/charts/db/charts/in/templates/a.yaml": "apps/web/charts/mysql/charts/in/templates/a.yaml",
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
