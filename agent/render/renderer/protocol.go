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
//	agent -> renderer   {"kustomize":{...}}, {"helm":{...}} or {"transform":{...}}
//	renderer -> agent   {"ask":{"kind":"read","path":"apps/web/a.yaml"}}     any number of times,
//	agent -> renderer   {"file":"<base64>"}, {"directory":[...]}, {"object":{...}}, {"missing":true},
//	                    {"later":true} or {"refused":true}
//	renderer -> agent   {"object":{...}}                   any number of times
//	renderer -> agent   {"done":{...}} or {"failed":{...}} once per request
//
// Paths are relative to the root of a source, with `/`, without `.` and `..`; the root is "".
// A read of a directory is answered with "directory", a list of a file with "file", both empty.
// After "refused" the agent knows why and takes no notice of what the renderer says about it. After
// "later" it throws the render away and starts it again when it has what was asked for, so the
// renderer goes on only to ask for more.
const protocolVersion = 2

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
	// Isolation names what the kernel refuses to the renderer, see confine.
	Isolation []string `json:"isolation,omitempty"`
}

// ask is a question. Kind is "read" or "list" (Source and Path), "chart" (Repository, Name, Version,
// Digest) or "lookup" (APIVersion, ObjectKind, Namespace, Name).
type ask struct {
	Kind string `json:"kind"`
	// Source is empty for the repository that is rendered, `$name` for another source of the
	// Application, `git:<url>@<commit>` for a remote base.
	Source     string `json:"source,omitempty"`
	Path       string `json:"path"`
	Repository string `json:"repository,omitempty"`
	Name       string `json:"name,omitempty"`
	Version    string `json:"version,omitempty"`
	Digest     string `json:"digest,omitempty"`
	APIVersion string `json:"apiVersion,omitempty"`
	ObjectKind string `json:"objectKind,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
}

// object is one rendered object with the place it came from.
type object struct {
	Body   json.RawMessage `json:"body"`
	Origin origin          `json:"origin"`
	// Hook has the Helm events of an object that is not part of the release; empty for others.
	Hook string `json:"hook,omitempty"`
	// Plain has the JSON pointers of the scalars that were written plain and are exactly one `${...}`.
	Plain []string `json:"plain,omitempty"`
	// Unstable has the JSON pointers at which a second render was another one.
	Unstable []string `json:"unstable,omitempty"`
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
	// Notes is what the chart says to its user.
	Notes string `json:"notes,omitempty"`
}

// request is what the agent sends; exactly one field is set.
type request struct {
	Kustomize *kustomizeRequest `json:"kustomize,omitempty"`
	Helm      *helmRequest      `json:"helm,omitempty"`
	Transform *transformRequest `json:"transform,omitempty"`
}

type kustomizeRequest struct {
	Path      string       `json:"path"`
	Overrides overrides    `json:"overrides"`
	Cluster   clusterFacts `json:"cluster"`
}

// overrides is laid over a kustomization, as if another one named it as its only base.
type overrides struct {
	// Images are as `kustomize edit set image` takes them: `name=new:tag`, `name:tag`, `name@digest`.
	Images      []string          `json:"images,omitempty"`
	Patches     []patch           `json:"patches,omitempty"`
	Components  []string          `json:"components,omitempty"`
	NamePrefix  string            `json:"namePrefix,omitempty"`
	NameSuffix  string            `json:"nameSuffix,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Replicas    map[string]int64  `json:"replicas,omitempty"`
	Namespace   string            `json:"namespace,omitempty"`
}

type patch struct {
	// Patch is a strategic merge patch or a list of JSON 6902 operations, as YAML.
	Patch string `json:"patch"`
	// Target selects objects by group, version, kind, name, namespace, labelSelector and
	// annotationSelector; without any the patch names its object itself.
	Target map[string]string `json:"target,omitempty"`
}

// clusterFacts is what a chart may see of the cluster; empty for what Helm was made for.
type clusterFacts struct {
	KubeVersion string   `json:"kubeVersion,omitempty"`
	APIVersions []string `json:"apiVersions,omitempty"`
	// MoreAPIVersions are there beside those.
	MoreAPIVersions []string `json:"moreApiVersions,omitempty"`
}

type helmRequest struct {
	// Path is the directory of the chart, or with Chart the one that values files are relative to.
	Path                     string         `json:"path"`
	Chart                    *chartRef      `json:"chart,omitempty"`
	ReleaseName              string         `json:"releaseName"`
	Namespace                string         `json:"namespace"`
	Upgrade                  bool           `json:"upgrade"`
	ValuesFiles              []string       `json:"valuesFiles,omitempty"`
	IgnoreMissingValuesFiles bool           `json:"ignoreMissingValuesFiles"`
	Values                   map[string]any `json:"values,omitempty"`
	Overlays                 []overlay      `json:"overlays,omitempty"`
	Cluster                  clusterFacts   `json:"cluster"`
	SkipCRDs                 bool           `json:"skipCrds"`
	SkipSchema               bool           `json:"skipSchema"`
	Lookup                   bool           `json:"lookup"`
}

// chartRef is a chart in a chart repository.
type chartRef struct {
	Repository string `json:"repository"`
	Name       string `json:"name"`
	// Version is a version, a range, or empty for the newest that is stable.
	Version string `json:"version"`
	// Digest is what the archive must hash to; empty where nothing says it.
	Digest string `json:"digest"`
}

// overlay has values of a ConfigMap or Secret, or of the command line.
type overlay struct {
	// Name says where they come from, for messages.
	Name string `json:"name"`
	// Form is `set` or `setString` where the text is what Helm's flag of that name takes.
	Form string `json:"form,omitempty"`
	// Text is YAML of a map; with TargetPath the one value that is set there.
	Text       string `json:"text"`
	TargetPath string `json:"targetPath,omitempty"`
}

// transformRequest lays patches over objects. Each comes out with the number of its place in the
// list, from 1, as the document of its origin.
type transformRequest struct {
	Objects []json.RawMessage `json:"objects"`
	Patches []patch           `json:"patches"`
}

// reply is the agent's answer to an ask.
type reply struct {
	File      *[]byte         `json:"file,omitempty"`
	Directory *[]entry        `json:"directory,omitempty"`
	Object    json.RawMessage `json:"object,omitempty"`
	Missing   bool            `json:"missing,omitempty"`
	Later     bool            `json:"later,omitempty"`
	Refused   bool            `json:"refused,omitempty"`
}

type entry struct {
	Name      string `json:"name"`
	Directory bool   `json:"directory,omitempty"`
}

// pipe is the one connection to the agent.
type pipe struct {
	reader *bufio.Reader
	writer *bufio.Writer
	// broken is why the agent cannot be reached any more.
	broken error
}

func newPipe(in io.Reader, out io.Writer) *pipe {
	return &pipe{
		reader: bufio.NewReaderSize(in, 64<<10),
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

// receive reads the next line; io.EOF means that the agent hung up.
func (p *pipe) receive(into any) error {
	line, err := p.reader.ReadBytes('\n')
	if err == io.EOF && len(line) == 0 {
		return io.EOF
	}
	if err == nil {
		err = json.Unmarshal(line, into)
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
	// notes is what the chart says to its user.
	notes string
	// keep takes the objects instead of the pipe where it is set.
	keep func(object) error
}

func (o *output) add(rendered object) error {
	o.count++
	if o.keep != nil {
		return o.keep(rendered)
	}
	return o.pipe.queue(message{Object: &rendered})
}

func greeting(isolation []string) *hello {
	greeting := &hello{
		Protocol: protocolVersion, Helm: "unknown", Kustomize: "unknown", Isolation: isolation,
	}
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
