package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"
)

// repository is the tree of one commit as the agent tells it, and the way to all else that a render
// may ask for. Each question is asked once per request, so a render sees one answer and the agent
// learns exactly what the render depends on.
type repository struct {
	*conversation
	// source is empty for the repository that is rendered; see the field of that name of ask.
	source string
}

// conversation is what was asked during one request, with the answers.
type conversation struct {
	pipe    *pipe
	answers map[ask]reply
}

// errLater is the cause of a failure for want of an answer that the agent will have later.
var errLater = errors.New("the agent has no answer yet")

func newRepository(pipe *pipe) *repository {
	return &repository{conversation: &conversation{pipe: pipe, answers: map[ask]reply{}}}
}

// of shows another source: `$name`, or `git:<url>@<commit>`. The empty name is the repository that
// is rendered.
func (r *repository) of(source string) *repository {
	return &repository{conversation: r.conversation, source: source}
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
		return nil, &failure{Code: "render.failed", Message: "is a directory, not a file", File: r.show(name)}
	default:
		return nil, &fs.PathError{Op: "read", Path: r.show(name), Err: fs.ErrNotExist}
	}
}

// look says what stands at a path.
func (r *repository) look(name string) (reply, error) {
	return r.ask(ask{Kind: "read", Source: r.source, Path: name})
}

// list returns the entries of a directory, sorted as the agent sorts them.
func (r *repository) list(name string) ([]entry, error) {
	answer, err := r.ask(ask{Kind: "list", Source: r.source, Path: name})
	if err != nil {
		return nil, err
	}
	if answer.Directory == nil {
		return nil, &fs.PathError{Op: "list", Path: r.show(name), Err: fs.ErrNotExist}
	}
	return *answer.Directory, nil
}

// show names a path for people, with its source.
func (r *repository) show(name string) string { return path.Join(r.source, name) }

// filesRead has what was said about each path of the repository itself.
func (r *repository) filesRead() map[string]reply {
	read := map[string]reply{}
	for asked, answer := range r.answers {
		if asked.Kind == "read" && asked.Source == r.source {
			read[asked.Path] = answer
		}
	}
	return read
}

// chart returns the archive of a chart in a chart repository.
func (c *conversation) chart(wanted chartRef) ([]byte, error) {
	answer, err := c.ask(ask{
		Kind:       "chart",
		Repository: wanted.Repository,
		Name:       wanted.Name,
		Version:    wanted.Version,
		Digest:     wanted.Digest,
	})
	if err != nil {
		return nil, err
	}
	if answer.File == nil {
		return nil, &failure{Code: "helm.chart", Message: "the chart repository has no such chart", File: archiveName(wanted)}
	}
	return *answer.File, nil
}

// lookup returns an object of the cluster, or with an empty name a list. Nothing is an empty map, as
// is what the agent will know later.
func (c *conversation) lookup(apiVersion, kind, namespace, name string) (map[string]any, error) {
	answer, err := c.ask(ask{
		Kind:       "lookup",
		APIVersion: apiVersion,
		ObjectKind: kind,
		Namespace:  namespace,
		Name:       name,
	})
	found := map[string]any{}
	switch {
	case errors.Is(err, errLater):
		return found, nil
	case err != nil:
		return nil, err
	case answer.Object != nil:
		if err := json.Unmarshal(answer.Object, &found); err != nil {
			return nil, &failure{Code: "protocol", Message: "the agent answered a lookup with something that is no object"}
		}
	}
	return found, nil
}

// ask returns the answer to a question. After "later" and "refused" there is none.
func (c *conversation) ask(question ask) (reply, error) {
	if known, ok := c.answers[question]; ok {
		return known, known.lack(question)
	}
	var answer reply
	if c.pipe.broken != nil {
		return answer, c.pipe.broken
	}
	if err := c.pipe.send(message{Ask: &question}); err != nil {
		return answer, err
	}
	if err := c.pipe.receive(&answer); err != nil {
		c.pipe.broken = err
		return answer, err
	}
	c.answers[question] = answer
	return answer, answer.lack(question)
}

// lack is the error of an answer that answers nothing. The agent takes no notice of its words.
func (r reply) lack(question ask) error {
	missing := &failure{Code: "render.failed", Message: "the agent has no answer", File: path.Join(question.Source, question.Path)}
	switch {
	case r.Later:
		missing.cause = errLater
		return missing
	case r.Refused:
		return missing
	default:
		return nil
	}
}

// archiveName names the archive of a chart, without credentials that its address may hold.
func archiveName(chart chartRef) string {
	repository := chart.Repository
	if scheme, rest, ok := strings.Cut(repository, "://"); ok {
		host, below, _ := strings.Cut(rest, "/")
		if at := strings.LastIndex(host, "@"); at >= 0 {
			host = host[at+1:]
		}
		repository = strings.TrimSuffix(scheme+"://"+host+"/"+below, "/")
	}
	name := chart.Name
	if chart.Version != "" {
		name += "-" + chart.Version
	}
	return repository + "/" + name + ".tgz"
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
