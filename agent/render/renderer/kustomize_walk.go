package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// mostVisits bounds how often kustomizations are visited in one render: bases that name each base
// twice double the work at every level.
const mostVisits = 5000

// kustomization is one that a render reads. All paths are absolute ones of the filesystem.
type kustomization struct {
	directory string
	file      string
	content   []byte
	types.Kustomization
	// steps are the resources and then the components.
	steps []step
	// plugins are the files that configure generators, transformers and validators.
	plugins []string
}

// step is one entry of `resources` or `components`: a file or another kustomization.
type step struct {
	file string
	base *kustomization
}

// walk reads all kustomizations of a render before Kustomize does. It finds what Kustomize would
// explain badly or reach out for, with the line.
type walk struct {
	files   *filesystem
	visited []*kustomization
	visits  int
	// later is the first failure for want of an answer; the walk goes on to ask for more.
	later error
}

func (w *walk) enter(directory string, chain []string) (*kustomization, error) {
	if w.visits++; w.visits > mostVisits {
		return nil, &failure{Code: "kz.limit", Message: fmt.Sprintf("kustomizations are read more than %d times", mostVisits), File: w.files.show(directory), exact: true}
	}
	found, err := w.load(directory)
	if found == nil {
		return nil, err
	}
	for index, patch := range found.PatchesJson6902 {
		if patch.Target == nil {
			return nil, &failure{Code: "kz.patch", Message: "the patch has no target", File: w.files.show(found.file), Line: found.entryLine("patchesJson6902", index), exact: true}
		}
	}
	chain = append(slices.Clip(chain), directory)
	for _, list := range []struct {
		field   string
		entries []string
	}{{"resources", found.Resources}, {"components", found.Components}} {
		for _, written := range list.entries {
			next, err := w.step(found, chain, list.field, written)
			if err != nil {
				return nil, err
			}
			found.steps = append(found.steps, next)
		}
	}
	for _, list := range []struct {
		field   string
		entries []string
	}{{"generators", found.Generators}, {"transformers", found.Transformers}, {"validators", found.Validators}} {
		for _, written := range list.entries {
			if strings.Contains(written, "\n") || strings.Contains(written, ": ") {
				continue
			}
			next, err := w.step(found, chain, list.field, written)
			if err != nil {
				return nil, err
			}
			if next.file != "" {
				found.plugins = append(found.plugins, next.file)
			}
		}
	}
	if err := w.askForCharts(found); err != nil {
		return nil, err
	}
	return found, w.rewrite(found)
}

// load finds and reads the kustomization of a directory. It returns nil without an error where the
// answer is not there yet.
func (w *walk) load(directory string) (*kustomization, error) {
	var found *kustomization
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		file := path.Join(directory, name)
		answer, err := w.files.look(file)
		if errors.Is(err, errLater) {
			w.later = err
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if answer.File == nil {
			continue
		}
		if found != nil {
			return nil, &failure{
				Code:    "kz.ambiguous",
				Message: fmt.Sprintf("the directory has both %s and %s; keep one of them", path.Base(found.file), name),
				File:    w.files.show(directory),
				exact:   true,
			}
		}
		found = &kustomization{directory: directory, file: file, content: *answer.File}
	}
	if found == nil {
		return nil, &failure{Code: "kz.no_kustomization", Message: "the directory has no kustomization.yaml", File: w.files.show(directory), exact: true}
	}
	w.visited = append(w.visited, found)
	if err := found.Unmarshal(found.content); err != nil {
		return nil, fieldFailure(w.files.show(found.file), found.content, err)
	}
	if warnings := found.CheckDeprecatedFields(); warnings != nil {
		for _, warning := range *warnings {
			text, _, _ := strings.Cut(strings.TrimPrefix(warning, "# Warning: "), " Run ")
			log.Print(w.files.show(found.file) + ": " + strings.ReplaceAll(text, " [EXPERIMENTAL]", ""))
		}
	}
	found.FixKustomization()
	return found, nil
}

func (w *walk) step(from *kustomization, chain []string, field, written string) (step, error) {
	target := path.Join(from.directory, written)
	if w.isVirtual(from) {
		// What the user wrote is relative to another directory.
		written = w.files.show(target)
	}
	fail := func(code, message string) (step, error) {
		if w.isVirtual(from) {
			return step{}, &failure{Code: code, Message: message, exact: true}
		}
		return step{}, &failure{Code: code, Message: message, File: w.files.show(from.file), Line: from.line(field, written), exact: true}
	}
	if written == "" {
		return step{}, nil
	}
	if remote := remoteBase(written); remote != nil || isURL(written) {
		local := false
		if !isURL(written) {
			answer, err := w.files.look(target)
			local = err == nil && answer.File != nil
		}
		if !local {
			if remote == nil || remote.isFile {
				return fail("kz.remote_disabled", "`"+maskURL(written)+"` is a file of another host; copy it into the repository")
			}
			if code, message := remote.refusal(); code != "" {
				return fail(code, message)
			}
			target = path.Join(w.files.source(remote.source()), remote.path)
		}
	} else if filepath.IsAbs(written) || w.files.rootOf(target) != w.files.rootOf(from.directory) && !w.isVirtual(from) {
		return fail("path.escape", "`"+written+"` is outside the repository")
	}
	answer, err := w.files.look(target)
	if errors.Is(err, errLater) {
		w.later = err
		return step{}, nil
	}
	switch {
	case err != nil:
		return step{}, err
	case answer.File != nil && field == "components":
		return fail("kz.field", "`"+written+"` is a file; a component is a directory")
	case answer.File != nil && !strings.HasPrefix(target, from.directory+"/") && !w.isVirtual(from):
		return fail("kz.outside_root", "`"+written+"` is outside the directory of the kustomization; make its directory a base")
	case answer.File != nil:
		return step{file: target}, nil
	case answer.Directory == nil:
		return fail("kz.file_missing", "`"+written+"` does not exist")
	}
	for i, visited := range chain {
		if visited == target || strings.HasPrefix(visited, target+"/") {
			var loop []string
			for _, directory := range append(slices.Clip(chain[i:]), target) {
				loop = append(loop, w.files.show(directory))
			}
			return fail("kz.cycle", "the kustomizations name each other in a circle: "+strings.Join(loop, " -> "))
		}
	}
	base, err := w.enter(target, chain)
	return step{base: base}, err
}

// isVirtual says whether the renderer itself wrote the kustomization.
func (w *walk) isVirtual(of *kustomization) bool { return of.directory == virtualRoot }

// rewrite shows Kustomize the remote bases as directories.
func (w *walk) rewrite(found *kustomization) error {
	changed := false
	for _, list := range [][]string{found.Resources, found.Components, found.Generators, found.Transformers, found.Validators} {
		for i, written := range list {
			if strings.Contains(written, "\n") {
				continue
			}
			remote := remoteBase(written)
			if remote == nil {
				continue
			}
			if answer, err := w.files.look(path.Join(found.directory, written)); err == nil && answer.File != nil {
				continue
			}
			target := path.Join(w.files.source(remote.source()), remote.path)
			relative, err := filepath.Rel(found.directory, target)
			if err != nil {
				return err
			}
			list[i], changed = relative, true
		}
	}
	if !changed {
		return nil
	}
	content, err := yaml.Marshal(found.Kustomization)
	if err != nil {
		return err
	}
	w.files.written[found.file] = content
	return nil
}

// remote is a base in another repository.
type remote struct {
	written, url, ref, path string
	// isFile is set for what looks like one file and not like a repository.
	isFile bool
}

var commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)

// remoteBase understands what Kustomize takes for a repository; nil for anything else.
func remoteBase(written string) *remote {
	if !strings.ContainsAny(written, ":/") || filepath.IsAbs(written) || strings.HasPrefix(written, "../") {
		return nil
	}
	parsed := new(resource.Origin).Append(written)
	if parsed.Repo == "" {
		return nil
	}
	found := &remote{written: written, url: parsed.Repo, ref: parsed.Ref, path: parsed.Path}
	if found.path == "notCloned" {
		// What Kustomize says of a base at the root of its repository.
		found.path = ""
	}
	_, below, _ := strings.Cut(written, "://")
	below, _, _ = strings.Cut(below, "?")
	marked := strings.Contains(below, "//") || strings.Contains(below, ".git") || strings.Contains(below, "_git/")
	extension := path.Ext(below)
	found.isFile = !marked && (extension == ".yaml" || extension == ".yml" || extension == ".json")
	return found
}

// source names it as the agent wants it named.
func (r *remote) source() string { return "git:" + r.url + "@" + r.ref }

// refusal says why it cannot be used, whatever the settings of the agent are.
func (r *remote) refusal() (code, message string) {
	shown := "`" + maskURL(r.written) + "`"
	scheme, rest, _ := strings.Cut(r.url, "://")
	switch host, _, _ := strings.Cut(rest, "/"); {
	case scheme != "https" && !(scheme == "http" && isLoopback(host)):
		return "kz.remote_disabled", "the remote base " + shown + " is not read over https; copy it into the repository"
	case strings.Contains(host, "@"):
		return "kz.remote_disabled", "the remote base " + shown + " has a user or password in its address"
	case !commitName.MatchString(r.ref):
		return "kz.remote_unpinned", "the remote base " + shown + " is not pinned; add `?ref=` with a commit of 40 hexadecimal digits"
	case slices.Contains(strings.Split(r.path, "/"), ".."):
		return "path.escape", "the remote base " + shown + " leaves its repository"
	}
	return "", ""
}

// isLoopback says whether a host, with or without a port, is this machine.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	address := net.ParseIP(host)
	return host == "localhost" || address != nil && address.IsLoopback()
}

func isURL(written string) bool {
	lower := strings.ToLower(written)
	return strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://")
}

var (
	userInfo = regexp.MustCompile(`//[^/@]*@`)
	password = regexp.MustCompile(`//[^/@]*:[^/@]*@`)
)

// maskURL takes credentials out of an address; the user alone may be one, but not of SSH.
func maskURL(written string) string {
	if isURL(written) {
		return userInfo.ReplaceAllString(written, "//***@")
	}
	return password.ReplaceAllString(written, "//***@")
}
