package main

import (
	"log"
	"os"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// kustomizeRun is one build.
type kustomizeRun struct {
	files   *filesystem
	walk    *walk
	cluster clusterFacts
	// configured counts the plugins that were configured for a list of a directory.
	configured map[[2]string]int
	// made has the origin of what plugins made.
	made map[*resource.Resource]func() origin
	// charted has what charts made, as they made it.
	charted map[*resource.Resource]object
	// noted is the first failure of a plugin: Kustomize passes only their texts on.
	noted *failure
	warn  func(string)
}

func newKustomizeRun(repository *repository, cluster clusterFacts) *kustomizeRun {
	files := newFilesystem(repository)
	return &kustomizeRun{
		files:      files,
		walk:       &walk{files: files},
		cluster:    cluster,
		configured: map[[2]string]int{},
		made:       map[*resource.Resource]func() origin{},
		charted:    map[*resource.Resource]object{},
		warn:       func(message string) { log.Print(message) },
	}
}

func (r *kustomizeRun) note(told *failure) {
	if r.noted == nil {
		r.noted = told
	}
}

// keptAnnotations tell what an object was called in its file.
var keptAnnotations = []string{
	"internal.config.kubernetes.io/previousKinds",
	"internal.config.kubernetes.io/previousNames",
	"internal.config.kubernetes.io/previousNamespaces",
}

func init() {
	// Kustomize takes away at the end what is in this list. The renderer takes the rest away.
	resource.BuildAnnotations = slices.DeleteFunc(slices.Clone(resource.BuildAnnotations), func(name string) bool {
		return slices.Contains(keptAnnotations, name)
	})
}

// renderKustomize builds the kustomization in a directory, as `kustomize build` does: no plugins
// that are programs, and files only from the directory of each kustomization down. Charts are
// inflated by the renderer itself, remote bases are asked for.
func renderKustomize(repository *repository, output *output, request kustomizeRequest) error {
	run := newKustomizeRun(repository, request.Cluster)
	top := path.Join(root, request.Path)
	if !request.Overrides.empty() {
		if err := run.override(top, request.Overrides); err != nil {
			return err
		}
		top = virtualRoot
	}
	built, err := run.build(top)
	if err != nil {
		return err
	}
	places := newPlaces(run)
	for _, built := range built.Resources() {
		place := places.find(built)
		plain := places.plain(built, place)
		if err := run.tidy(built); err != nil {
			return &failure{Code: "kz.failed", Message: err.Error(), File: place.File}
		}
		body, err := built.MarshalJSON()
		if err != nil {
			return &failure{Code: "kz.failed", Message: "the object cannot be written as JSON", File: place.File}
		}
		charted := run.charted[built]
		if err := output.add(object{Body: body, Origin: place, Hook: charted.Hook, Plain: plain, Unstable: charted.Unstable}); err != nil {
			return err
		}
	}
	return nil
}

// build runs Kustomize over a directory of the filesystem.
func (r *kustomizeRun) build(top string) (built resmap.ResMap, err error) {
	if _, err := r.walk.enter(top, nil); err != nil {
		if r.walk.later != nil {
			return nil, r.walk.later
		}
		return nil, err
	}
	if r.walk.later != nil {
		return nil, r.walk.later
	}
	building = r
	// Kustomize prints there what walk tells as a warning.
	stderr := os.Stderr
	os.Stderr = nil
	defer func() {
		building, os.Stderr = nil, stderr
		cause := recover()
		if cause != nil || openapi.GetSchemaVersion() != openapi.DefaultOpenAPI {
			// Kustomize keeps a schema for the whole process.
			openapi.ResetOpenAPI()
		}
		if cause != nil {
			err = r.panicked(cause)
		}
	}()
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionUnspecified
	// The program is never started: the plugin is the renderer's own.
	options.PluginConfig.HelmConfig.Enabled = true
	built, err = krusty.MakeKustomizer(options).Run(r.files, top)
	if err != nil {
		return nil, r.failure(err)
	}
	if r.noted != nil {
		return nil, r.noted
	}
	return built, nil
}

// panicked tells of a panic in the library, where `kustomize build` would end with a trace; the known
// ones are those of a schema that is none.
func (r *kustomizeRun) panicked(cause any) error {
	for _, known := range r.walk.visited {
		if schema := known.OpenAPI["path"]; schema != "" {
			return &failure{
				Code:    "kz.openapi",
				Message: "the OpenAPI schema `" + schema + "` cannot be used",
				File:    r.files.show(known.file),
				Line:    keyLine(known.node(), "openapi"),
				exact:   true,
			}
		}
	}
	told := panicked(cause)
	told.Code = "kz.failed"
	for _, known := range r.walk.visited {
		if known.directory != virtualRoot {
			told.File = r.files.show(known.file)
			break
		}
	}
	return told
}

// tidy takes the annotations away that are kept for the renderer, and names remote bases in the
// annotations of origin, where the user asks for them, as Kustomize names them.
func (r *kustomizeRun) tidy(built *resource.Resource) error {
	annotations := built.GetAnnotations()
	count := len(annotations)
	for _, name := range keptAnnotations {
		delete(annotations, name)
	}
	if len(annotations) < count {
		if err := built.SetAnnotations(annotations); err != nil {
			return err
		}
	}
	if len(r.files.sources) == 0 {
		return nil
	}
	tracked, err := built.GetOrigin()
	if tracked == nil || err != nil {
		return err
	}
	for _, field := range []*string{&tracked.Path, &tracked.ConfiguredIn} {
		_, below, found := strings.Cut(*field, strings.TrimPrefix(sourceRoot, "/"))
		if !found {
			continue
		}
		number, below, _ := strings.Cut(below, "/")
		source, _, err := r.files.inside(sourceRoot + number)
		if err != nil {
			continue
		}
		*field = below
		tracked.Repo, tracked.Ref, _ = strings.Cut(strings.TrimPrefix(source.source, "git:"), "@")
	}
	return built.SetOrigin(tracked)
}
