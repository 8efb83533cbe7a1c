package main

import (
	"testing"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

func TestALockOfHelm2FitsAChartOfVersion1(t *testing.T) {
	said := declared{
		apiVersion:   "v1",
		dependencies: []*chart.Dependency{{Name: "alpine", Version: "0.1.0", Repository: "file://../alpine"}},
		// What Helm 2 wrote for these dependencies.
		lock: &chart.Lock{Digest: "sha256:7b380b1a826e7be1eecb089f66209d6d3df54be4bf879d4a8e6f8a9e871710e5"},
	}
	if !said.lockFits() {
		t.Error("it does not fit")
	}
	said.apiVersion = "v2"
	if said.lockFits() {
		t.Error("Helm 2 made no charts of version 2")
	}
}

func TestTheNameOfAnArchiveHasNoCredentials(t *testing.T) {
	for repository, want := range map[string]string{
		"https://user:hunter2@charts.example.com/a/": "https://charts.example.com/a/web-1.0.0.tgz",
		"oci://charts.example.com":                   "oci://charts.example.com/web-1.0.0.tgz",
		"https://charts.example.com/a@b":             "https://charts.example.com/a@b/web-1.0.0.tgz",
	} {
		if got := archiveName(chartRef{Repository: repository, Name: "web", Version: "1.0.0"}); got != want {
			t.Errorf("%s: %s", repository, got)
		}
	}
}
