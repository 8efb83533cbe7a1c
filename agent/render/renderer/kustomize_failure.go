package main

import (
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
)

var (
	patchOf       = regexp.MustCompile(`(?:strategic merge patch "|unique target for patch )([^".]+)\.[^"/]*/([^"\s]+)\.[^".\s]*`)
	pluginOf      = regexp.MustCompile(`unable to load external plugin '([^']*)'`)
	duplicateOf   = regexp.MustCompile(`already registered id: ([^.']+)\.[^/']*/([^']+)\.[^.']*'?`)
	behaviourOf   = regexp.MustCompile(`Kind:"([^"]*)".*Name:"([^"]*)".*does not exist; cannot merge or replace`)
	resourcesFrom = regexp.MustCompile(`(?s)(?:accumulating|merging) resources from '([^']*)': (.*?)(?:': (?:must build at directory|new root|accumulating)|$)`)
	urlOf         = regexp.MustCompile(`"(https?://[^"]*)"`)
	outsideRootOf = regexp.MustCompile(`security; file '([^']*)'`)
)

// failure gives an error of Kustomize its code and, where it can be found, its place.
func (r *kustomizeRun) failure(err error) error {
	var known *failure
	switch {
	case r.noted != nil:
		return r.noted
	case errors.As(err, &known):
		return known
	}
	message := err.Error()
	fail := func(code, message, file string, line int) error {
		if file != "" {
			file = r.files.show(file)
		}
		return &failure{Code: code, Message: message, File: file, Line: line, exact: true}
	}
	if r.files.escaped != "" {
		file, line := r.walk.naming(r.files.escaped)
		return fail("path.escape", "the kustomization names `"+strings.TrimPrefix(r.files.escaped, root+"/")+"`, which is outside the repository", file, line)
	}
	if match := pluginOf.FindStringSubmatch(message); match != nil {
		file, line := r.walk.plugin(match[1])
		return fail("kz.plugin_disabled", "`"+match[1]+"` is a plugin that is a program; only those built into Kustomize are run", file, line)
	}
	if match := outsideRootOf.FindStringSubmatch(message); match != nil {
		file, line := r.walk.naming(path.Clean(match[1]))
		return fail("kz.outside_root", "`"+r.files.show(match[1])+"` is outside the directory of the kustomization that names it", file, line)
	}
	if strings.Contains(message, "file does not exist") {
		for _, missing := range slices.Backward(r.files.missing) {
			if file, line := r.walk.naming(missing); line > 0 {
				return fail("kz.file_missing", "`"+r.files.show(missing)+"` does not exist", file, line)
			}
		}
	}
	if match := patchOf.FindStringSubmatch(message); match != nil {
		file, line := r.walk.legacyPatch(match[1], match[2])
		return fail("kz.patch_no_match", "the patch fits no object: there is no "+match[1]+" `"+match[2]+"`", file, line)
	}
	if errors.Is(err, errRemote) || strings.Contains(message, errRemote.Error()) || strings.Contains(message, "no 'git' program on path") {
		told, file, line := "files of other hosts are not read; copy them into the repository", "", 0
		if match := urlOf.FindStringSubmatch(message); match != nil {
			told = "`" + maskURL(match[1]) + "` is a file of another host; copy it into the repository"
			file, line = r.walk.containing(match[1])
		}
		return fail("kz.remote_disabled", told, file, line)
	}
	if place := r.walk.diagnose(); place != nil {
		return place
	}
	if match := behaviourOf.FindStringSubmatch(message); match != nil {
		file, line := r.walk.generator(match[1], match[2])
		return fail("kz.generator", "the generator is to merge with or replace the "+match[1]+" `"+match[2]+"`, which is not there", file, line)
	}
	file, line, reason := r.walk.resourceFile(message)
	if match := duplicateOf.FindStringSubmatch(message); match != nil {
		return fail("kz.duplicate", "there are two objects "+match[1]+" `"+match[2]+"`", file, line)
	}
	if reason != "" {
		return &failure{Code: "kz.resource", Message: r.files.showAll(reason), File: r.files.show(file), Line: line}
	}
	told := &failure{Code: kustomizeCode(message), Message: r.files.showAll(message)}
	if len(r.walk.visited) > 0 && r.walk.visited[0].directory != virtualRoot {
		told.File = r.files.show(r.walk.visited[0].file)
	}
	return told
}

// kustomizeCode is the code of what is told in the words of Kustomize.
func kustomizeCode(message string) string {
	for _, known := range []struct{ text, code string }{
		{"cycle detected", "kz.cycle"},
		{"Found multiple kustomization files", "kz.ambiguous"},
		{"unable to find one of 'kustomization.yaml'", "kz.no_kustomization"},
		{"no matches for", "kz.patch_no_match"},
		{"may not add resource with an already registered id", "kz.duplicate"},
		{"file does not exist", "kz.file_missing"},
	} {
		if strings.Contains(message, known.text) {
			return known.code
		}
	}
	return "kz.failed"
}

// generator finds the last generator of an object that is to be there already.
func (w *walk) generator(kind, name string) (file string, line int) {
	field := map[string]string{"ConfigMap": "configMapGenerator", "Secret": "secretGenerator"}[kind]
	for _, known := range w.visited {
		var arguments []types.GeneratorArgs
		for _, one := range known.ConfigMapGenerator {
			if kind == "ConfigMap" {
				arguments = append(arguments, one.GeneratorArgs)
			}
		}
		for _, one := range known.SecretGenerator {
			if kind == "Secret" {
				arguments = append(arguments, one.GeneratorArgs)
			}
		}
		for index, one := range arguments {
			if one.Name == name && (one.Behavior == "merge" || one.Behavior == "replace") {
				file, line = known.file, known.entryLine(field, index)
			}
		}
	}
	return file, line
}

// resourceFile finds the resource file that Kustomize could not take in, and why.
func (w *walk) resourceFile(message string) (file string, line int, reason string) {
	matches := resourcesFrom.FindAllStringSubmatch(message, -1)
	for _, match := range slices.Backward(matches) {
		for _, known := range w.visited {
			target := path.Join(known.directory, match[1])
			for _, step := range known.steps {
				if step.file == target {
					return target, 0, strings.TrimSpace(match[2])
				}
			}
		}
	}
	return "", 0, ""
}

// plugin finds where a plugin of a kind is configured.
func (w *walk) plugin(kind string) (file string, line int) {
	for _, known := range w.visited {
		for _, plugin := range known.plugins {
			content, err := w.files.ReadFile(plugin)
			if err != nil {
				continue
			}
			for _, place := range heads(plugin, content) {
				if place.head.Kind == kind {
					return plugin, place.document.line
				}
			}
		}
	}
	for _, known := range w.visited {
		for _, list := range []struct {
			field   string
			entries []string
		}{{"generators", known.Generators}, {"transformers", known.Transformers}, {"validators", known.Validators}} {
			for index, written := range list.entries {
				if strings.Contains(written, kind) {
					return known.file, known.entryLine(list.field, index)
				}
			}
		}
	}
	return "", 0
}

// legacyPatch finds a patch of `patchesStrategicMerge` by the object that it is for.
func (w *walk) legacyPatch(kind, name string) (file string, line int) {
	for _, known := range w.visited {
		for index, written := range known.PatchesStrategicMerge {
			file, content := path.Join(known.directory, string(written)), []byte(written)
			inline := strings.Contains(string(written), "\n")
			if !inline {
				content, _ = w.files.ReadFile(file)
			}
			for _, place := range heads(file, content) {
				if place.head.Kind != kind || place.head.Metadata.Name != name {
					continue
				}
				if inline {
					return known.file, known.entryLine("patchesStrategicMerge", index)
				}
				return file, place.document.line
			}
		}
	}
	return "", 0
}

// diagnose looks for a file that is not YAML among those that the kustomizations name.
func (w *walk) diagnose() *failure {
	for _, known := range w.visited {
		var found *failure
		check := func(file string) {
			switch path.Ext(file) {
			case ".yaml", ".yml", ".json":
			default:
				return
			}
			if answer, err := w.files.look(file); found == nil && err == nil && answer.File != nil {
				if line, message, broken := unreadable(*answer.File); broken {
					found = &failure{Code: "yaml.syntax", Message: message, File: w.files.show(file), Line: line}
				}
			}
		}
		eachScalar(known.node(), func(scalar *kyaml.Node) {
			if !strings.Contains(scalar.Value, "\n") && w.files.rootOf(path.Join(known.directory, scalar.Value)) != "" {
				check(path.Join(known.directory, scalar.Value))
			}
		})
		if found != nil {
			return found
		}
	}
	return nil
}
