package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/strvals"
)

// Limits of globs in the names of values files.
const (
	globFiles   = 200
	globEntries = 20_000
)

// collectValues merges values files, then inline values, then overlays; later over earlier.
func collectValues(repository *repository, request helmRequest) (map[string]any, error) {
	values := map[string]any{}
	var later error
	for _, written := range request.ValuesFiles {
		more, err := valuesFiles(repository, request, written)
		if errors.Is(err, errLater) {
			// The others are read nevertheless, so that the agent learns of all it has to fetch.
			later = err
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, layer := range more {
			values = loader.MergeMaps(values, layer)
		}
	}
	if later != nil {
		return nil, later
	}
	values = loader.MergeMaps(values, request.Values)
	for _, overlay := range request.Overlays {
		var err error
		if values, err = lay(values, overlay); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// valuesFiles reads what one entry of the list of values files stands for.
func valuesFiles(repository *repository, request helmRequest, written string) ([]map[string]any, error) {
	source, file, err := locate(repository, request.Path, written)
	if err != nil {
		return nil, err
	}
	files := []string{file}
	if isGlob(written) {
		if files, err = glob(source, file, literalParts(request.Path, written)); err != nil {
			return nil, err
		}
	}
	var found []map[string]any
	for _, file := range files {
		content, err := source.read(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		values, err := readValues(source.show(file), content)
		if err != nil {
			return nil, err
		}
		found = append(found, values)
	}
	if len(found) == 0 && !request.IgnoreMissingValuesFiles {
		what := "the values file does not exist"
		if isGlob(written) {
			what = "no values file fits"
		}
		return nil, &failure{Code: "helm.values", Message: what, File: source.show(file)}
	}
	return found, nil
}

// locate finds the source and the path in it that a values file is written with.
func locate(own *repository, base, written string) (*repository, string, error) {
	if !strings.HasPrefix(written, "$") {
		file, err := resolve(base, written)
		return own, file, err
	}
	source, below, ok := strings.Cut(written, "/")
	if !ok || source == "$" || below == "" {
		return nil, "", &failure{Code: "helm.values", Message: "`" + written + "` is not of the form `$source/path`", exact: true}
	}
	file, err := resolve("", strings.TrimLeft(below, "/"))
	return own.of(source), file, err
}

func readValues(file string, content []byte) (map[string]any, error) {
	values, err := loader.LoadValues(bytes.NewReader(content))
	if err == nil {
		return values, nil
	}
	if line, message, found := unreadable(content); found {
		return nil, &failure{Code: "helm.values", Message: message, File: file, Line: line}
	}
	return nil, &failure{Code: "helm.values", Message: "the values file is not a map", File: file}
}

// lay sets the values of an overlay. With a target path its text is one value and stays text, as
// what `--set-file` reads.
func lay(values map[string]any, overlay overlay) (map[string]any, error) {
	wrong := func(message string) error {
		return &failure{Code: "helm.values", Message: overlay.Name + ": " + message, exact: true}
	}
	switch overlay.Form {
	case "set", "setString":
		parse := strvals.ParseInto
		if overlay.Form == "setString" {
			parse = strvals.ParseIntoString
		}
		if err := parse(overlay.Text, values); err != nil {
			return nil, wrong(err.Error())
		}
		return values, nil
	}
	if overlay.TargetPath == "" {
		more, err := loader.LoadValues(strings.NewReader(overlay.Text))
		if err != nil {
			return nil, wrong("the text is not YAML of a map")
		}
		return loader.MergeMaps(values, more), nil
	}
	target := overlay.TargetPath
	if err := checkTarget(target); err != nil {
		return nil, wrong(err.Error())
	}
	text := func([]rune) (any, error) { return overlay.Text, nil }
	if err := strvals.ParseIntoFile(target+"=text", values, text); err != nil {
		return nil, wrong(fmt.Sprintf("nothing can be set at `%s`", target))
	}
	return values, nil
}

// checkTarget refuses a target path that would set more than one value.
func checkTarget(target string) error {
	escaped := false
	for _, letter := range target {
		if !escaped && (letter == '=' || letter == ',' || letter == '{' || letter == '}') {
			return fmt.Errorf("the target path `%s` has a %c without a backslash before it", target, letter)
		}
		escaped = !escaped && letter == '\\'
	}
	if escaped {
		return fmt.Errorf("the target path `%s` ends with a backslash", target)
	}
	return nil
}

func isGlob(written string) bool { return strings.ContainsAny(written, "*?[") }

// literalParts counts the directories at the begin of a joined pattern that come from the base: their
// names are no patterns.
func literalParts(base, written string) int {
	if base == "" || strings.HasPrefix(written, "$") {
		return 0
	}
	up := 0
	for rest := path.Clean(written); strings.HasPrefix(rest, "../"); rest = rest[3:] {
		up++
	}
	return max(0, len(strings.Split(base, "/"))-up)
}

// glob returns the files that fit a pattern, sorted; its first parts are names. `**` stands for any
// number of directories; the rest is as in path.Match. Names that begin with a dot are found only by
// a pattern that does so.
func glob(source *repository, pattern string, literal int) ([]string, error) {
	parts := strings.Split(pattern, "/")
	// `x*/..` is written with a pattern, but nothing is left of it.
	literal = min(literal, len(parts)-1)
	search := &globSearch{source: source, pattern: pattern, found: map[string]bool{}, done: map[string]bool{}}
	if err := search.below(path.Join(parts[:literal]...), parts[literal:]); err != nil {
		return nil, err
	}
	return sortedKeys(search.found), nil
}

type globSearch struct {
	source  *repository
	pattern string
	entries int
	found   map[string]bool
	// done are the places that were searched already, with what they were searched for.
	done map[string]bool
}

func (s *globSearch) below(directory string, parts []string) error {
	part, rest := parts[0], parts[1:]
	key := directory + "\x00" + strings.Join(parts, "/")
	if s.done[key] {
		return nil
	}
	s.done[key] = true
	if part != "**" && !isGlob(part) {
		if len(rest) > 0 {
			return s.below(path.Join(directory, part), rest)
		}
		s.found[path.Join(directory, part)] = true
		return s.bound()
	}
	if part == "**" && len(rest) > 0 {
		if err := s.below(directory, rest); err != nil {
			return err
		}
	}
	entries, err := s.source.list(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s.entries += len(entries)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name, ".") && !strings.HasPrefix(part, ".") {
			continue
		}
		name := path.Join(directory, entry.Name)
		fits := part == "**"
		if !fits {
			if fits, err = path.Match(part, entry.Name); err != nil {
				return &failure{Code: "helm.values", Message: "the pattern cannot be read", File: s.source.show(s.pattern)}
			}
		}
		switch {
		case !fits:
		case !entry.Directory && len(rest) == 0:
			s.found[name] = true
		case entry.Directory && part == "**":
			err = s.below(name, parts)
		case entry.Directory && len(rest) > 0:
			err = s.below(name, rest)
		}
		if err != nil {
			return err
		}
	}
	return s.bound()
}

func (s *globSearch) bound() error {
	if len(s.found) > globFiles || s.entries > globEntries {
		return &failure{
			Code:    "helm.limit",
			Message: fmt.Sprintf("a pattern may fit no more than %d files and look through no more than %d", globFiles, globEntries),
			File:    s.source.show(s.pattern),
			exact:   true,
		}
	}
	return nil
}
