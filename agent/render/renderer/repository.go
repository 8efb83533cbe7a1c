package main

import (
	"io/fs"
	"path"
	"strings"
)

// repository is the tree of one commit as the agent tells it. Each path is asked for once per
// request, so a render sees one answer and the agent learns exactly what the render depends on.
type repository struct {
	pipe     *pipe
	files    map[string]reply
	listings map[string]reply
}

func newRepository(pipe *pipe) *repository {
	return &repository{pipe: pipe, files: map[string]reply{}, listings: map[string]reply{}}
}

// read returns the content of a file. The error wraps fs.ErrNotExist where there is none.
func (r *repository) read(name string) ([]byte, error) {
	answer, err := r.look(name)
	switch {
	case err != nil:
		return nil, err
	case answer.File != nil:
		return *answer.File, nil
	case answer.Directory != nil:
		return nil, &failure{Code: "render.failed", Message: "is a directory, not a file", File: name}
	default:
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
}

// look says what stands at a path.
func (r *repository) look(name string) (reply, error) {
	if known, ok := r.files[name]; ok {
		return known, nil
	}
	answer, err := r.ask("read", name)
	if err == nil {
		r.files[name] = answer
	}
	return answer, err
}

// list returns the entries of a directory, sorted as the agent sorts them.
func (r *repository) list(name string) ([]entry, error) {
	answer, ok := r.listings[name]
	if !ok {
		var err error
		if answer, err = r.ask("list", name); err != nil {
			return nil, err
		}
		r.listings[name] = answer
	}
	if answer.Directory == nil {
		return nil, &fs.PathError{Op: "list", Path: name, Err: fs.ErrNotExist}
	}
	return *answer.Directory, nil
}

func (r *repository) ask(kind, name string) (reply, error) {
	var answer reply
	if r.pipe.broken != nil {
		return answer, r.pipe.broken
	}
	if err := r.pipe.send(message{Ask: &ask{Kind: kind, Path: name}}); err != nil {
		return answer, err
	}
	if err := r.pipe.receive(&answer); err != nil {
		r.pipe.broken = err
		return answer, err
	}
	if answer.Refused {
		return answer, &failure{Code: "render.failed", Message: "the agent refused the file", File: name}
	}
	return answer, nil
}

// resolve joins a path written in a file of the directory base with it. Absolute paths and paths
// that leave the repository are a path.escape failure.
func resolve(base, written string) (string, error) {
	joined := path.Join(base, written)
	if path.IsAbs(written) || joined == ".." || strings.HasPrefix(joined, "../") {
		return "", &failure{
			Code:    "path.escape",
			Message: "`" + written + "`, named in `" + base + "`, is outside the repository",
			exact:   true,
		}
	}
	if joined == "." {
		joined = ""
	}
	return joined, nil
}
