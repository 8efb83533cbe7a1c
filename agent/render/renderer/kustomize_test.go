package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"maps"
	"math/rand"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/builtins"
)

// overlays are the ones that are compared with the program kustomize.
const overlays = "../tests/it/fixtures/overlays"

// agentOf answers questions about a repository with these files, until the test ends.
func agentOf(t testing.TB, files map[string][]byte) *repository {
	t.Helper()
	log.SetOutput(io.Discard)
	fromRenderer, toAgent := io.Pipe()
	fromAgent, toRenderer := io.Pipe()
	t.Cleanup(func() { toAgent.Close(); toRenderer.Close() })
	go func() {
		decoder, encoder := json.NewDecoder(fromRenderer), json.NewEncoder(toRenderer)
		for {
			var asked message
			if decoder.Decode(&asked) != nil {
				return
			}
			if asked.Ask != nil && encoder.Encode(answerFrom(files, *asked.Ask)) != nil {
				return
			}
		}
	}()
	return newRepository(newPipe(fromAgent, toAgent))
}

func answerFrom(files map[string][]byte, asked ask) reply {
	if asked.Kind == "chart" {
		asked.Path = asked.Repository + "/" + asked.Name + "-" + asked.Version
	}
	if content, ok := files[asked.Path]; ok {
		return reply{File: &content}
	}
	entries := map[string]bool{}
	for file := range files {
		if below, ok := strings.CutPrefix(file, asked.Path+"/"); ok {
			name, _, directory := strings.Cut(below, "/")
			entries[name] = directory
		}
	}
	if len(entries) == 0 {
		return reply{Missing: true}
	}
	var listed []entry
	for _, name := range sortedKeys(entries) {
		listed = append(listed, entry{Name: name, Directory: entries[name]})
	}
	return reply{Directory: &listed}
}

func overlayFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for from, to := range map[string]string{overlays: "", "../tests/it/fixtures/chart-zoo": "charted/plain/charts/zoo"} {
		err := filepath.WalkDir(from, func(name string, found fs.DirEntry, err error) error {
			if err != nil || found.IsDir() {
				return err
			}
			relative, err := filepath.Rel(from, name)
			if err != nil {
				return err
			}
			files[path.Join(to, filepath.ToSlash(relative))], err = os.ReadFile(name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestThePluginsOfTheRendererTakeThePlaceOfThoseOfKustomize(t *testing.T) {
	charts, generators, patches := 0, 0, 0
	for _, make := range generatorFactories {
		switch make().(type) {
		case *chartGenerator:
			charts++
		case *watchedGenerator:
			generators++
		case *builtins.HelmChartInflationGeneratorPlugin:
			t.Error("Kustomize would start the program helm")
		}
	}
	for _, make := range transformerFactories {
		if _, ok := make().(*watchedPatch); ok {
			patches++
		}
	}
	if charts != 1 || generators != 3 || patches != 1 {
		t.Errorf("%d, %d, %d", charts, generators, patches)
	}
}

func TestWhatKustomizeQuotesOfObjectsIsNotTold(t *testing.T) {
	files := newFilesystem(newRepository(nil))
	for _, message := range []string{
		"missing metadata.name in object {{v1 Secret} {{ } map[a:hunter2] map[]}}",
		"trouble configuring builtin X with config: `\na: `hunter2`\n`: no name",
		"wrong Node Kind for data expected: ScalarNode was MappingNode: value: {hunter2}",
		"validator shouldn't modify the resource map: ---  self:\nhunter2",
		"unequal references - self:\nhunter2",
		"roleRef cannot be found in hunter2",
		"error looking up replacement source: wrong node kind: expected X but got Y: node contents:\nhunter2",
	} {
		if told := files.showAll(message); strings.Contains(told, "hunter2") {
			t.Errorf("%q", told)
		}
	}
	if told := files.showAll("no '" + root + "/a/b.yaml', no " + root); told != "no 'a/b.yaml', no ." {
		t.Errorf("%q", told)
	}
}

func TestAChartOfARepositoryIsRenderedAsTheSameChartInADirectory(t *testing.T) {
	files := overlayFiles(t)
	const from, to = "charted/plain/charts/zoo/", "charted/base/helm/zoo-1.2.3/zoo/"
	var packed bytes.Buffer
	compressed := gzip.NewWriter(&packed)
	archive := tar.NewWriter(compressed)
	fetched := maps.Clone(files)
	for _, name := range sortedKeys(files) {
		below, ok := strings.CutPrefix(name, from)
		if !ok {
			continue
		}
		files[to+below] = files[name]
		header := &tar.Header{Name: "zoo/" + below, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}
		if err := errors.Join(archive.WriteHeader(header), second(archive.Write(files[name]))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	fetched["https://charts.example.com/zoo-1.2.3"] = packed.Bytes()
	render := func(files map[string][]byte) (bodies, origins []string) {
		collected := &output{keep: func(made object) error {
			bodies, origins = append(bodies, string(made.Body)), append(origins, made.Origin.File)
			return nil
		}}
		if err := renderKustomize(agentOf(t, files), collected, kustomizeRequest{Path: "charted/base"}); err != nil {
			t.Fatal(err)
		}
		return bodies, origins
	}
	local, _ := render(files)
	remote, origins := render(fetched)
	if len(local) != 3 || !slices.Equal(local, remote) {
		t.Errorf("%s\n%s", local, remote)
	}
	if !strings.HasPrefix(origins[0], "https://charts.example.com/zoo") {
		t.Errorf("%s", origins)
	}
}

func second(_ int, err error) error { return err }

func TestHeadsThatAreReadQuicklyAreThoseThatAreParsed(t *testing.T) {
	quick := 0
	for name, content := range overlayFiles(t) {
		if path.Ext(name) != ".yaml" || strings.Contains(name, "/templates/") {
			continue
		}
		for _, document := range documents(content) {
			head, ok := quickHead(document.text)
			if !ok {
				continue
			}
			quick++
			all := parsedHeads(name, document)
			if len(all) != 1 || all[0].head.Kind != head.Kind || all[0].head.Metadata.Name != head.Metadata.Name || all[0].head.Metadata.Namespace != head.Metadata.Namespace {
				t.Errorf("%s: %+v, %+v", name, head, all)
			}
		}
	}
	if quick < 5 {
		t.Errorf("only %d were read quickly", quick)
	}
}

func TestRandomKustomizationsNeverBreakTheRenderer(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	files := overlayFiles(t)
	var kustomizations []string
	for name := range files {
		if strings.HasPrefix(path.Base(name), "kustomization.") {
			kustomizations = append(kustomizations, name)
		}
	}
	slices.Sort(kustomizations)
	words := fragments(files, kustomizations)
	rendered, refused := 0, 0
	for number := range 1000 {
		changed := map[string][]byte{}
		for name, content := range files {
			changed[name] = content
		}
		name := kustomizations[random.Intn(len(kustomizations))]
		for range 1 + random.Intn(3) {
			changed[name] = mutated(random, changed[name], words)
		}
		var kept []object
		collected := &output{keep: func(made object) error { kept = append(kept, made); return nil }}
		err := renderKustomize(agentOf(t, changed), collected, kustomizeRequest{Path: path.Dir(name)})
		if err == nil {
			rendered++
			continue
		}
		refused++
		var told *failure
		if !errors.As(err, &told) || told.Code == "render.failed" || told.Message == "" {
			t.Errorf("case %d: %v\n%s", number, err, changed[name])
		}
	}
	if rendered < 100 || refused < 100 {
		t.Errorf("%d rendered, %d refused", rendered, refused)
	}
}

// fragments are lines of kustomizations and what may go wrong in them.
func fragments(files map[string][]byte, kustomizations []string) []string {
	words := []string{"null", "[]", "{}", "- ", "~", "''", "\t", ":", "&a", "*a", "<<: *a", "!!binary x", "../..", "/", "\x00", "- null", "---", "|-", "0x", "1e999", "$patch: delete"}
	for _, name := range kustomizations {
		words = append(words, strings.Split(string(files[name]), "\n")...)
	}
	return words
}

func mutated(random *rand.Rand, content []byte, words []string) []byte {
	lines := strings.Split(string(content), "\n")
	at := random.Intn(len(lines))
	word := words[random.Intn(len(words))]
	switch random.Intn(6) {
	case 0:
		lines = slices.Delete(lines, at, at+1)
	case 1:
		lines = slices.Insert(lines, at, word)
	case 2:
		lines[at] = strings.Repeat(" ", random.Intn(4)) + strings.TrimSpace(lines[at])
	case 3:
		if key, _, ok := strings.Cut(lines[at], ":"); ok {
			lines[at] = key + ": " + strings.TrimSpace(word)
		}
	case 4:
		other := random.Intn(len(lines))
		lines[at], lines[other] = lines[other], lines[at]
	default:
		if text := []byte(lines[at]); len(text) > 0 {
			text[random.Intn(len(text))] = fmt.Sprint(random.Intn(10))[0] ^ byte(random.Intn(128))
			lines[at] = string(text)
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

func BenchmarkBaseAndOverlay(b *testing.B) {
	// Every question is answered in the first round, so that only rendering is measured.
	repository := agentOf(b, overlayFiles(b))
	for b.Loop() {
		collected := &output{keep: func(object) error { return nil }}
		if err := renderKustomize(repository, collected, kustomizeRequest{Path: "small"}); err != nil {
			b.Fatal(err)
		}
	}
}
