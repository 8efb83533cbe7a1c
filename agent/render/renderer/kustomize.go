package main

import (
	"errors"
	"path"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// renderKustomize builds the kustomization in a directory, as `kustomize build` does without any
// flag: no plugins, no remote sources, files only from the directory of each kustomization down.
func renderKustomize(repository *repository, output *output, request kustomizeRequest) error {
	files := &filesystem{repository: repository, replaced: map[string][]byte{}}
	asked, err := trackOrigins(files, request.Path)
	if err != nil {
		return err
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, path.Join(root, request.Path))
	if err != nil {
		return kustomizeFailure(files, request.Path, err)
	}
	places := newPlaces(repository)
	for _, resource := range built.Resources() {
		origin, err := places.find(request.Path, resource)
		if err != nil {
			return err
		}
		if !asked {
			if err := resource.SetOrigin(nil); err != nil {
				return err
			}
		}
		body, err := resource.MarshalJSON()
		if err != nil {
			return &failure{Code: "kz.failed", Message: "the object cannot be written as JSON", File: origin.File}
		}
		if err := output.add(object{Body: body, Origin: origin}); err != nil {
			return err
		}
	}
	return nil
}

// trackOrigins makes Kustomize annotate each object with its file, and says whether the user asked
// for that as well.
func trackOrigins(files *filesystem, directory string) (bool, error) {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		file := path.Join(directory, name)
		answer, err := files.repository.look(file)
		if err != nil {
			return false, err
		}
		if answer.File == nil {
			continue
		}
		changed, asked, ok := withOrigins(*answer.File)
		if ok {
			files.replaced[file] = changed
		}
		return asked, nil
	}
	return false, nil
}

// withOrigins adds `buildMetadata: [originAnnotations]` to a kustomization. It fails on one that
// cannot be read, which Kustomize then refuses in its own words.
func withOrigins(content []byte) (changed []byte, asked bool, ok bool) {
	kustomization := map[string]any{}
	if err := yaml.Unmarshal(content, &kustomization); err != nil {
		return nil, false, false
	}
	metadata, _ := kustomization["buildMetadata"].([]any)
	for _, option := range metadata {
		if option == types.OriginAnnotations {
			return content, true, true
		}
	}
	if kustomization["buildMetadata"] != nil && metadata == nil {
		return nil, false, false
	}
	kustomization["buildMetadata"] = append(metadata, types.OriginAnnotations)
	changed, err := yaml.Marshal(kustomization)
	return changed, false, err == nil
}

// places finds where in its file an object stands.
type places struct {
	repository *repository
	files      map[string][]place
}

type place struct {
	document document
	head     head
}

func newPlaces(repository *repository) *places {
	return &places{repository: repository, files: map[string][]place{}}
}

func (p *places) find(directory string, resource *resource.Resource) (origin, error) {
	tracked, err := resource.GetOrigin()
	if err != nil {
		return origin{}, err
	}
	if tracked == nil {
		return origin{File: directory, Document: 1}, nil
	}
	if tracked.Path == "" {
		// A generated object stands in no file; the kustomization that generates it is named.
		return origin{File: path.Join(directory, tracked.ConfiguredIn), Document: 1}, nil
	}
	file := path.Join(directory, tracked.Path)
	places := p.of(file)
	if len(places) == 1 {
		return origin{File: file, Document: places[0].document.number, Line: places[0].document.line}, nil
	}
	if place := best(places, resource.GetKind(), resource.GetName(), resource.GetNamespace()); place != nil {
		return origin{File: file, Document: place.document.number, Line: place.document.line}, nil
	}
	return origin{File: file, Document: 1}, nil
}

// best returns the document that an object most likely came from. Kustomize does not tell the
// original name, but it only puts prefixes and suffixes around it; nil where that finds nothing.
func best(places []place, kind, name, namespace string) *place {
	var found *place
	score := 0
	for i := range places {
		written := places[i].head.Metadata
		if places[i].head.Kind != kind || !strings.Contains(name, written.Name) {
			continue
		}
		// The longest name wins, and among equal ones the one of the same namespace.
		points := 2*len(written.Name) + 1
		if written.Namespace == namespace {
			points++
		}
		if points > score {
			found, score = &places[i], points
		}
	}
	return found
}

func (p *places) of(file string) []place {
	if known, ok := p.files[file]; ok {
		return known
	}
	var found []place
	if content, err := p.repository.read(file); err == nil {
		documents := documents(content)
		for _, document := range documents {
			place := place{document: document}
			if len(documents) > 1 {
				// A document that is no object is simply not the one that is looked for.
				_ = yaml.Unmarshal([]byte(document.text), &place.head)
			}
			found = append(found, place)
		}
	}
	p.files[file] = found
	return found
}

// kustomizeFailure gives an error of Kustomize its code and, where it can be found, its place.
func kustomizeFailure(files *filesystem, directory string, err error) error {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	if files.escaped != "" {
		return &failure{
			Code:    "path.escape",
			Message: "the kustomization names `" + strings.TrimPrefix(files.escaped, root+"/") + "`, which is outside the repository",
			exact:   true,
		}
	}
	message := err.Error()
	told := &failure{Code: kustomizeCode(message, err), Message: message}
	switch told.Code {
	case "kz.remote_disabled":
		told.Message = "remote bases and resources are disabled; copy them into the repository: " + remoteSource(message)
	case "kz.failed":
		if place := diagnose(files.repository); place != nil {
			return place
		}
	case "kz.no_kustomization":
		told.File = directory
	}
	return told
}

func kustomizeCode(message string, err error) string {
	codes := []struct{ text, code string }{
		{"no 'git' program on path", "kz.remote_disabled"},
		{"cycle detected", "kz.cycle"},
		{"Found multiple kustomization files", "kz.ambiguous"},
		{"unable to find one of 'kustomization.yaml'", "kz.no_kustomization"},
		{"external plugins disabled", "kz.plugin_disabled"},
		{"must specify --enable-helm", "kz.helm_disabled"},
		{"no resource matches strategic merge patch", "kz.patch_no_match"},
		{"no matches for", "kz.patch_no_match"},
		{"security; file", "kz.outside_root"},
		{"file does not exist", "kz.file_missing"},
	}
	if errors.Is(err, errRemote) || strings.Contains(message, errRemote.Error()) {
		return "kz.remote_disabled"
	}
	for _, known := range codes {
		if strings.Contains(message, known.text) {
			return known.code
		}
	}
	return "kz.failed"
}

// remoteSource finds the URL in a message of Kustomize.
func remoteSource(message string) string {
	if _, rest, ok := strings.Cut(message, "accumulating resources from '"); ok {
		if source, _, ok := strings.Cut(rest, "'"); ok {
			return source
		}
	}
	return message
}

// diagnose looks for the file that made Kustomize fail: the first one, in the order of their
// names, that is not YAML or not a kustomization.
func diagnose(repository *repository) *failure {
	for _, file := range sortedKeys(repository.files) {
		answer := repository.files[file]
		extension := path.Ext(file)
		if answer.File == nil || (extension != ".yaml" && extension != ".yml" && extension != "" && extension != ".json") {
			continue
		}
		kustomization := isKustomization(file)
		if extension == "" && !kustomization {
			continue
		}
		if line, message, found := unreadable(*answer.File); found {
			return &failure{Code: "yaml.syntax", Message: message, File: file, Line: line}
		}
		if kustomization {
			if err := new(types.Kustomization).Unmarshal(*answer.File); err != nil {
				return &failure{Code: "kz.failed", Message: err.Error(), File: file}
			}
		}
	}
	return nil
}

func isKustomization(file string) bool {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if path.Base(file) == name {
			return true
		}
	}
	return false
}
