package main

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const (
	// root is where Kustomize sees the repository. It is not "/", so that a path with too many ".."
	// is seen to leave the repository.
	root = "/syncline-repository"
	// virtualRoot is where it sees the kustomization that the renderer itself writes.
	virtualRoot = "/syncline-overrides"
	// sourceRoot is followed by the number of a remote base.
	sourceRoot = "/syncline-source-"
)

// filesystem shows a repository, and the remote bases that it names, to Kustomize, for reading only.
type filesystem struct {
	repository *repository
	// sources are the remote bases in the order in which they were found.
	sources []string
	// written has files of the renderer itself, and contents that take the place of those in a
	// source, by their absolute path.
	written map[string][]byte
	// escaped is the first path outside all sources that was asked for.
	escaped string
	// missing are the absolute paths at which nothing was found.
	missing []string
}

var (
	_           filesys.FileSystem = &filesystem{}
	errReadOnly                    = errors.New("the repository is read-only")
)

func newFilesystem(repository *repository) *filesystem {
	return &filesystem{repository: repository, written: map[string][]byte{}}
}

// source returns the absolute path at which a remote base is seen.
func (f *filesystem) source(name string) string {
	for number, known := range f.sources {
		if known == name {
			return sourceRoot + strconv.Itoa(number)
		}
	}
	f.sources = append(f.sources, name)
	return sourceRoot + strconv.Itoa(len(f.sources)-1)
}

// rootOf returns the root of the source that an absolute path lies in; empty for none.
func (f *filesystem) rootOf(name string) string {
	top, _, _ := strings.Cut(strings.TrimPrefix(path.Clean(name), "/"), "/")
	switch top = "/" + top; {
	case top == root || top == virtualRoot:
		return top
	case strings.HasPrefix(top, sourceRoot):
		if number, err := strconv.Atoi(top[len(sourceRoot):]); err == nil && number >= 0 && number < len(f.sources) {
			return top
		}
	}
	return ""
}

// inside translates an absolute path to a source and the path in it.
func (f *filesystem) inside(name string) (*repository, string, error) {
	name = path.Clean(name)
	top := f.rootOf(name)
	if top == "" {
		if f.escaped == "" {
			f.escaped = name
		}
		return nil, "", &fs.PathError{Op: "read", Path: "outside the repository", Err: fs.ErrPermission}
	}
	relative := strings.TrimPrefix(strings.TrimPrefix(name, top), "/")
	if number, ok := strings.CutPrefix(top, sourceRoot); ok {
		at, _ := strconv.Atoi(number)
		return f.repository.of(f.sources[at]), relative, nil
	}
	return f.repository, relative, nil
}

// show names an absolute path for people: a path of the repository, or a remote base with the path
// in it.
func (f *filesystem) show(name string) string {
	source, relative, err := f.inside(name)
	switch {
	case err != nil:
		return name
	case source.source != "":
		return strings.TrimSuffix(source.source+"//"+relative, "//")
	case f.rootOf(name) == virtualRoot:
		return ""
	case relative == "":
		return "."
	default:
		return relative
	}
}

var anyRoot = regexp.MustCompile(`/syncline-(repository|overrides|source-\d+)(/[^\s'":,)]*)?`)

// quotedObject finds where Kustomize quotes an object, a node of one or the configuration of a
// plugin, and addresses in memory.
var quotedObject = regexp.MustCompile(`(?s)( (in|from) object| value:) \{.*|generator &\{[^}]*\}` +
	"| with config: `(?s:.*)`" + `: |:? node contents:.*|unequal references.*|\n?--- +self:.*` +
	`|(?P<kept>roleRef cannot be found|cannot be found in roleRef|shouldn't modify the resource map).*`)

// showAll replaces every absolute path in a text by its name for people.
func (f *filesystem) showAll(text string) string {
	return anyRoot.ReplaceAllStringFunc(quotedObject.ReplaceAllString(text, "$kept"), f.show)
}

// look says what stands at an absolute path.
func (f *filesystem) look(name string) (reply, error) {
	name = path.Clean(name)
	if content, ok := f.written[name]; ok {
		return reply{File: &content}, nil
	}
	source, relative, err := f.inside(name)
	if err != nil {
		return reply{}, err
	}
	if relative == "" {
		return reply{Directory: &[]entry{}}, nil
	}
	if f.rootOf(name) == virtualRoot {
		return reply{Missing: true}, nil
	}
	answer, err := source.look(relative)
	if err == nil && answer.File == nil && answer.Directory == nil {
		f.missing = append(f.missing, name)
	}
	return answer, err
}

// ReadFile returns the content of a file.
func (f *filesystem) ReadFile(name string) ([]byte, error) {
	answer, err := f.look(name)
	switch {
	case err != nil:
		return nil, err
	case answer.File != nil:
		return *answer.File, nil
	case answer.Directory != nil:
		return nil, &fs.PathError{Op: "read", Path: f.show(name), Err: errors.New("is a directory")}
	default:
		return nil, &fs.PathError{Op: "read", Path: f.show(name), Err: fs.ErrNotExist}
	}
}

// CleanedAbs splits a path into directory and file name; both are known to exist.
func (f *filesystem) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	answer, err := f.look(name)
	if err != nil {
		return "", "", err
	}
	absolute := path.Clean(name)
	switch {
	case answer.Directory != nil:
		return filesys.ConfirmedDir(absolute), "", nil
	case answer.File != nil:
		return filesys.ConfirmedDir(path.Dir(absolute)), path.Base(absolute), nil
	default:
		return "", "", &fs.PathError{Op: "read", Path: f.show(name), Err: fs.ErrNotExist}
	}
}

// IsDir says whether a directory stands at the path.
func (f *filesystem) IsDir(name string) bool {
	answer, err := f.look(name)
	return err == nil && answer.Directory != nil
}

// Exists says whether anything stands at the path.
func (f *filesystem) Exists(name string) bool {
	answer, err := f.look(name)
	return err == nil && (answer.Directory != nil || answer.File != nil)
}

// ReadDir returns the names in a directory.
func (f *filesystem) ReadDir(name string) ([]string, error) {
	source, relative, err := f.inside(name)
	if err != nil {
		return nil, err
	}
	entries, err := source.list(relative)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name
	}
	return names, nil
}

// Glob is not needed to build a kustomization.
func (f *filesystem) Glob(string) ([]string, error) { return nil, errReadOnly }

// Walk is not needed to build a kustomization.
func (f *filesystem) Walk(string, filepath.WalkFunc) error { return errReadOnly }

// Open is not needed to build a kustomization.
func (f *filesystem) Open(string) (filesys.File, error) { return nil, errReadOnly }

// Create always fails.
func (f *filesystem) Create(string) (filesys.File, error) { return nil, errReadOnly }

// Mkdir always fails.
func (f *filesystem) Mkdir(string) error { return errReadOnly }

// MkdirAll always fails.
func (f *filesystem) MkdirAll(string) error { return errReadOnly }

// RemoveAll does nothing: Kustomize removes clones that were never made.
func (f *filesystem) RemoveAll(string) error { return nil }

// WriteFile always fails.
func (f *filesystem) WriteFile(string, []byte) error { return errReadOnly }
