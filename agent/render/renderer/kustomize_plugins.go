package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	_ "unsafe" // for go:linkname

	"sigs.k8s.io/kustomize/api/builtins"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/yaml"
)

// Kustomize makes each of its built-in plugins with a function in one of these two tables. They are
// the only place at which charts can be inflated without starting a program, exactly where Kustomize
// does it, and at which it can be seen what a generator made and what a patch fits. A test fails
// where a new version of Kustomize has other tables.

//go:linkname generatorFactories sigs.k8s.io/kustomize/api/internal/plugins/builtinhelpers.GeneratorFactories
var generatorFactories map[pluginKind]func() resmap.GeneratorPlugin

//go:linkname transformerFactories sigs.k8s.io/kustomize/api/internal/plugins/builtinhelpers.TransformerFactories
var transformerFactories map[pluginKind]func() resmap.TransformerPlugin

// kustomizeVersion is what the label of `managedByLabel` names: else the version of the renderer.
//
//go:linkname kustomizeVersion sigs.k8s.io/kustomize/api/provenance.version
var kustomizeVersion string

type pluginKind int

// building is the render that plugins belong to; one at a time.
var building *kustomizeRun

func init() {
	// The release of the program that has the same library.
	kustomizeVersion = "v5.8.2"
	for kind, make := range generatorFactories {
		switch make().(type) {
		case *builtins.HelmChartInflationGeneratorPlugin:
			generatorFactories[kind] = func() resmap.GeneratorPlugin { return &chartGenerator{run: building} }
		case *builtins.ConfigMapGeneratorPlugin:
			generatorFactories[kind] = func() resmap.GeneratorPlugin {
				return &watchedGenerator{GeneratorPlugin: make(), run: building, field: "configMapGenerator"}
			}
		case *builtins.SecretGeneratorPlugin:
			generatorFactories[kind] = func() resmap.GeneratorPlugin {
				return &watchedGenerator{GeneratorPlugin: make(), run: building, field: "secretGenerator"}
			}
		case *builtins.IAMPolicyGeneratorPlugin:
			// It has no list in a kustomization, only files of its own.
			generatorFactories[kind] = func() resmap.GeneratorPlugin {
				return &watchedGenerator{GeneratorPlugin: make(), run: building}
			}
		}
	}
	for kind, make := range transformerFactories {
		if _, ok := make().(*builtins.PatchTransformerPlugin); ok {
			transformerFactories[kind] = func() resmap.TransformerPlugin {
				return &watchedPatch{PatchTransformerPlugin: make().(*builtins.PatchTransformerPlugin), run: building}
			}
		}
	}
}

// entryOf is the place of one entry of a list in a kustomization.
type entryOf struct {
	directory, field string
	index            int
	// plugin is what the plugin is called where a file of its own configures it.
	plugin head
}

// nextEntry returns the entry that a plugin is configured with: Kustomize configures all entries of
// a list in their order. ok is false for a plugin that is configured by a file of its own.
func (r *kustomizeRun) nextEntry(h *resmap.PluginHelpers, field string, config []byte) (entry entryOf, ok bool) {
	if bytes.HasPrefix(config, []byte("apiVersion: builtin")) || bytes.Contains(config, []byte("\napiVersion: builtin")) {
		entry.directory = h.Loader().Root()
		// Without a name the place is that of the kustomization.
		_ = yaml.Unmarshal(config, &entry.plugin)
		return entry, false
	}
	at := [2]string{h.Loader().Root(), field}
	entry = entryOf{directory: at[0], field: field, index: r.configured[at]}
	r.configured[at]++
	return entry, true
}

// place is the origin of what an entry makes.
func (r *kustomizeRun) place(entry entryOf) origin {
	known := r.walk.of(entry.directory)
	if known == nil {
		return origin{File: r.files.show(entry.directory), Document: 1}
	}
	if entry.field == "" {
		for _, file := range known.plugins {
			content, _ := r.files.ReadFile(file)
			for _, found := range heads(file, content) {
				if found.head.Kind == entry.plugin.Kind && found.head.Metadata.Name == entry.plugin.Metadata.Name {
					return origin{File: r.files.show(file), Document: found.document.number, Line: found.document.line}
				}
			}
		}
		return origin{File: r.files.show(known.file), Document: 1}
	}
	index := entry.index
	if count := known.count(entry.field); count > 0 {
		// A base that is used twice is configured twice.
		index %= count
	}
	return origin{File: r.files.show(known.file), Document: 1, Line: known.entryLine(entry.field, index)}
}

func (k *kustomization) count(field string) int {
	switch field {
	case "configMapGenerator":
		return len(k.ConfigMapGenerator)
	case "secretGenerator":
		return len(k.SecretGenerator)
	case "helmCharts":
		return len(k.HelmCharts)
	default:
		return len(k.Patches)
	}
}

// of returns the kustomization of a directory.
func (w *walk) of(directory string) *kustomization {
	for _, known := range w.visited {
		if known.directory == directory {
			return known
		}
	}
	return nil
}

// watchedGenerator remembers which entry made an object.
type watchedGenerator struct {
	resmap.GeneratorPlugin
	run   *kustomizeRun
	field string
	entry entryOf
}

func (g *watchedGenerator) Config(h *resmap.PluginHelpers, config []byte) error {
	g.entry, _ = g.run.nextEntry(h, g.field, config)
	return g.GeneratorPlugin.Config(h, config)
}

func (g *watchedGenerator) Generate() (resmap.ResMap, error) {
	made, err := g.GeneratorPlugin.Generate()
	if err != nil {
		if !aboutPath(err) {
			place := g.run.place(g.entry)
			g.run.note(&failure{Code: "kz.generator", Message: generatorFault(err), File: place.File, Line: place.Line, exact: true, cause: err})
		}
		return nil, err
	}
	for _, generated := range made.Resources() {
		entry := g.entry
		g.run.made[generated] = func() origin { return g.run.place(entry) }
	}
	return made, nil
}

// aboutPath says whether an error is about a path and not about what stands there: such an error is
// told in the same way for every field that names a path.
func aboutPath(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) ||
		strings.Contains(err.Error(), "security; file") || strings.Contains(err.Error(), errRemote.Error())
}

// generatorFault says what is wrong with the input of a generator, which Kustomize would quote.
func generatorFault(err error) string {
	for _, known := range []struct{ text, message string }{
		{"invalid literal source", "a literal is not `key=value`"},
		{"illegally repeats the key", "a key is there twice"},
		{"invalid utf8", "a line of an env file is not UTF-8"},
		{"contains '='", "a key or a path has a `=`"},
		{"missing key name", "a file has no key"},
		{"missing file path", "a key has no file"},
		{"must have a name", "the generator has no name"},
	} {
		if strings.Contains(err.Error(), known.text) {
			return known.message
		}
	}
	return "the generator cannot be run: its files, env files or literals are not what they should be"
}

// watchedPatch sees what a patch fits.
type watchedPatch struct {
	*builtins.PatchTransformerPlugin
	run    *kustomizeRun
	entry  entryOf
	listed bool
}

func (p *watchedPatch) Config(h *resmap.PluginHelpers, config []byte) error {
	p.entry, p.listed = p.run.nextEntry(h, "patches", config)
	err := p.PatchTransformerPlugin.Config(h, config)
	if err != nil && !aboutPath(err) {
		p.run.note(p.failure("kz.patch", "the patch cannot be read: it is neither an object with `kind` and `metadata.name` nor a list of JSON 6902 operations"))
	}
	return err
}

func (p *watchedPatch) Transform(m resmap.ResMap) error {
	if p.Target != nil {
		if fits, err := m.Select(*p.Target); err == nil && len(fits) == 0 {
			if err := p.fitsNothing(); err != nil {
				return err
			}
		}
	}
	err := p.PatchTransformerPlugin.Transform(m)
	if err != nil {
		code, message := "kz.patch", "the patch cannot be applied: "+p.run.files.showAll(err.Error())
		told := p.failure(code, message)
		told.exact = false
		if match := patchOf.FindStringSubmatch(err.Error()); match != nil {
			told = p.failure("kz.patch_no_match", p.name()+" fits no object: there is no "+match[1]+" `"+match[2]+"`")
		}
		p.run.note(told)
	}
	return err
}

// fitsNothing refuses a patch of the Application; for one of a file it is a warning, because
// `kustomize build` says nothing.
func (p *watchedPatch) fitsNothing() error {
	told := p.failure("kz.patch_no_match", p.name()+" fits no object: its target selects none")
	if p.entry.directory == virtualRoot {
		p.run.note(told)
		return told
	}
	at := told.File
	if told.Line > 0 {
		at = fmt.Sprintf("%s:%d", at, told.Line)
	}
	p.run.warn(at + ": the target of the patch selects no object")
	return nil
}

func (p *watchedPatch) name() string {
	if p.entry.directory == virtualRoot {
		return fmt.Sprintf("patches[%d]", p.entry.index)
	}
	return "the patch"
}

// failure is one of the patch: in its own file, or in the kustomization that has it.
func (p *watchedPatch) failure(code, message string) *failure {
	if p.entry.directory == virtualRoot {
		return &failure{Code: code, Message: message, exact: true}
	}
	place := p.run.place(p.entry)
	if p.listed && p.Path != "" {
		place = origin{File: p.run.files.show(p.entry.directory + "/" + p.Path)}
	}
	return &failure{Code: code, Message: message, File: place.File, Line: place.Line, exact: true}
}
