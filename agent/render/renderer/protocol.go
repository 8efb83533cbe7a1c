package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
)

// protocolVersion changes when an old agent could not read a new renderer or the other way round.
// New optional fields do not change it.
//
// One JSON value per line:
//
//	renderer -> agent   {"hello":{...}}                    once
//	agent -> renderer   {"kustomize":{...}} or {"helm":{...}}
//	renderer -> agent   {"ask":{"kind":"read","path":"apps/web/a.yaml"}}     any number of times,
//	agent -> renderer   {"file":"<base64>"}, {"directory":[...]}, {"missing":true} or {"refused":true}
//	renderer -> agent   {"object":{...}}                   any number of times
//	renderer -> agent   {"done":{...}} or {"failed":{...}} once per request
//
// Paths are relative to the root of the repository, with `/`, without `.` and `..`; the root is "".
// A read of a directory is answered with "directory", a list of a file with "file", both empty.
// After "refused" the agent knows why and takes no notice of what the renderer says about it.
const protocolVersion = 1

// message is what the renderer sends; exactly one field is set.
type message struct {
	Hello  *hello   `json:"hello,omitempty"`
	Ask    *ask     `json:"ask,omitempty"`
	Object *object  `json:"object,omitempty"`
	Done   *done    `json:"done,omitempty"`
	Failed *failure `json:"failed,omitempty"`
}

type hello struct {
	Protocol  int    `json:"protocol"`
	Helm      string `json:"helm"`
	Kustomize string `json:"kustomize"`
}

type ask struct {
	Kind string `json:"kind"`
	Path string `json:"path"`
}

// object is one rendered object with the place it came from.
type object struct {
	Body   json.RawMessage `json:"body"`
	Origin origin          `json:"origin"`
	// Hook has the Helm events of an object that is not part of the release; empty for others.
	Hook string `json:"hook,omitempty"`
}

// origin is a place in the repository. Line is 0 where it is not known.
type origin struct {
	File     string `json:"file"`
	Document int    `json:"document"`
	Line     int    `json:"line,omitempty"`
}

type done struct {
	Objects  int      `json:"objects"`
	Warnings []string `json:"warnings,omitempty"`
}

// request is what the agent sends; exactly one field is set.
type request struct {
	Kustomize *kustomizeRequest `json:"kustomize,omitempty"`
	Helm      *helmRequest      `json:"helm,omitempty"`
}

type kustomizeRequest struct {
	Path string `json:"path"`
}

type helmRequest struct {
	Path        string         `json:"path"`
	ReleaseName string         `json:"releaseName"`
	Namespace   string         `json:"namespace"`
	ValuesFiles []string       `json:"valuesFiles"`
	Values      map[string]any `json:"values"`
	KubeVersion string         `json:"kubeVersion"`
	APIVersions []string       `json:"apiVersions"`
	Upgrade     bool           `json:"upgrade"`
}

// reply is the agent's answer to an ask.
type reply struct {
	File      *[]byte  `json:"file,omitempty"`
	Directory *[]entry `json:"directory,omitempty"`
	Missing   bool     `json:"missing,omitempty"`
	Refused   bool     `json:"refused,omitempty"`
}

type entry struct {
	Name      string `json:"name"`
	Directory bool   `json:"directory,omitempty"`
}

// pipe is the one connection to the agent.
type pipe struct {
	reader *json.Decoder
	writer *bufio.Writer
	// broken is why the agent cannot be reached any more.
	broken error
}

func newPipe(in io.Reader, out io.Writer) *pipe {
	return &pipe{
		reader: json.NewDecoder(bufio.NewReaderSize(in, 64<<10)),
		writer: bufio.NewWriterSize(out, 64<<10),
	}
}

// queue writes a message which the agent need not see at once.
func (p *pipe) queue(m message) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if _, err := p.writer.Write(line); err != nil {
		p.broken = err
		return err
	}
	return nil
}

// send writes a message and everything queued before it.
func (p *pipe) send(m message) error {
	if err := p.queue(m); err != nil {
		return err
	}
	if err := p.writer.Flush(); err != nil {
		p.broken = err
		return err
	}
	return nil
}

// receive reads the next value; io.EOF means that the agent hung up.
func (p *pipe) receive(into any) error {
	err := p.reader.Decode(into)
	if err == io.EOF {
		return err
	}
	if err != nil {
		// The text of a JSON error may quote the input, so only its type is told.
		return fmt.Errorf("the agent sent something unreadable (%T)", err)
	}
	return nil
}

// output sends rendered objects.
type output struct {
	pipe  *pipe
	count int
}

func (o *output) add(rendered object) error {
	o.count++
	return o.pipe.queue(message{Object: &rendered})
}

func greeting() *hello {
	greeting := &hello{Protocol: protocolVersion, Helm: "unknown", Kustomize: "unknown"}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			switch module.Path {
			case "helm.sh/helm/v4":
				greeting.Helm = module.Version
			case "sigs.k8s.io/kustomize/api":
				greeting.Kustomize = module.Version
			}
		}
	}
	return greeting
}
