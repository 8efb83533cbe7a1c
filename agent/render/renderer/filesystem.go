package main

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// root is where Kustomize sees the repository. It is not "/", so that a path with too many ".."
// is seen to leave the repository.
const root = "/syncline-repository"

// filesystem shows a repository to Kustomize, for reading only.
type filesystem struct {
	repository *repository
	// escaped is the first path outside the repository that was asked for.
	escaped string
	// replaced has contents that take the place of those in the repository.
	replaced map[string][]byte
}

var (
	_           filesys.FileSystem = &filesystem{}
	errReadOnly                    = errors.New("the repository is read-only")
)

// inside translates a path of Kustomize to one of the repository.
func (f *filesystem) inside(name string) (string, error) {
	cleaned := path.Clean(name)
	if cleaned == root {
		return "", nil
	}
	if relative, ok := strings.CutPrefix(cleaned, root+"/"); ok {
		return relative, nil
	}
	if f.escaped == "" {
		f.escaped = name
	}
	return "", &fs.PathError{Op: "read", Path: "outside the repository", Err: fs.ErrPermission}
}

func (f *filesystem) look(name string) (string, reply, error) {
	relative, err := f.inside(name)
	if err != nil {
		return "", reply{}, err
	}
	if relative == "" {
		return "", reply{Directory: &[]entry{}}, nil
	}
	answer, err := f.repository.look(relative)
	return relative, answer, err
}

// ReadFile returns the content of a file.
func (f *filesystem) ReadFile(name string) ([]byte, error) {
	relative, err := f.inside(name)
	if err != nil {
		return nil, err
	}
	if content, ok := f.replaced[relative]; ok {
		return content, nil
	}
	return f.repository.read(relative)
}

// CleanedAbs splits a path into directory and file name; both are known to exist.
func (f *filesystem) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	relative, answer, err := f.look(name)
	if err != nil {
		return "", "", err
	}
	absolute := path.Join(root, relative)
	switch {
	case answer.Directory != nil:
		return filesys.ConfirmedDir(absolute), "", nil
	case answer.File != nil:
		return filesys.ConfirmedDir(path.Dir(absolute)), path.Base(absolute), nil
	default:
		return "", "", &fs.PathError{Op: "read", Path: relative, Err: fs.ErrNotExist}
	}
}

// IsDir says whether a directory stands at the path.
func (f *filesystem) IsDir(name string) bool {
	_, answer, err := f.look(name)
	return err == nil && answer.Directory != nil
}

// Exists says whether anything stands at the path.
func (f *filesystem) Exists(name string) bool {
	_, answer, err := f.look(name)
	return err == nil && (answer.Directory != nil || answer.File != nil)
}

// ReadDir returns the names in a directory.
func (f *filesystem) ReadDir(name string) ([]string, error) {
	relative, err := f.inside(name)
	if err != nil {
		return nil, err
	}
	entries, err := f.repository.list(relative)
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
