package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// validate holds the values of a chart and of the charts in it against their schemas. Unlike
// Helm's own check it follows no reference to a file or host, and quotes no value.
func validate(parent *chart.Chart, values map[string]any, paths *chartPaths) error {
	file := paths.file(parent.ChartFullPath() + "/values.schema.json")
	if parent.Schema != nil {
		if err := validateOne(parent.Schema, values, file); err != nil {
			return err
		}
	}
	for _, child := range parent.Dependencies() {
		below, ok := values[child.Name()].(map[string]any)
		if !ok {
			if values[child.Name()] == nil {
				continue
			}
			return &failure{Code: "helm.values", Message: "the values of the chart " + child.Name() + " are not a map", File: file}
		}
		if err := validate(child, below, paths); err != nil {
			return err
		}
	}
	return nil
}

// Limits of one schema.
const (
	schemaBytes = 4 << 20
	schemaDepth = 256
)

func validateOne(schema []byte, values map[string]any, file string) error {
	if len(schema) > schemaBytes || depthOf(schema) > schemaDepth {
		return &failure{
			Code:    "helm.schema",
			Message: fmt.Sprintf("the schema has more than %d MiB or is nested deeper than %d", schemaBytes>>20, schemaDepth),
			File:    file,
			exact:   true,
		}
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return &failure{Code: "helm.schema", Message: "the schema is not JSON", File: file}
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(closedLoader{})
	const name = "values.schema.json"
	if err := compiler.AddResource("file:///"+name, document); err != nil {
		return &failure{Code: "helm.schema", Message: "the schema cannot be used", File: file}
	}
	compiled, err := compiler.Compile("file:///" + name)
	if err != nil {
		if errors.Is(err, errRemote) || strings.Contains(err.Error(), errRemote.Error()) {
			return &failure{Code: "helm.schema", Message: "the schema refers to another file or host; such references are disabled", File: file}
		}
		return &failure{Code: "helm.schema", Message: err.Error(), File: file}
	}
	err = compiled.Validate(values)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		return &failure{Code: "helm.schema", Message: "the values do not meet the schema: " + strings.Join(violations(invalid), "; "), File: file, exact: true}
	}
	if err != nil {
		return &failure{Code: "helm.schema", Message: "the values cannot be checked", File: file}
	}
	return nil
}

// closedLoader loads nothing.
type closedLoader struct{}

// Load refuses every URL. A name without a place (`urn:`) fits everything, as with Helm.
func (closedLoader) Load(url string) (any, error) {
	if strings.HasPrefix(url, "urn:") {
		return true, nil
	}
	return nil, errRemote
}

// depthOf returns how deep JSON is nested.
func depthOf(text []byte) int {
	depth, deepest := 0, 0
	quoted, escaped := false, false
	for _, letter := range text {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped = letter == '\\'
			quoted = letter != '"'
		case letter == '"':
			quoted = true
		case letter == '{' || letter == '[':
			depth++
			deepest = max(deepest, depth)
		case letter == '}' || letter == ']':
			depth--
		}
	}
	return deepest
}

// violations says for each value what is wrong with it, without the value.
func violations(invalid *jsonschema.ValidationError) []string {
	if len(invalid.Causes) > 0 {
		var all []string
		for _, cause := range invalid.Causes {
			all = append(all, violations(cause)...)
		}
		return all
	}
	field := "." + strings.Join(invalid.InstanceLocation, ".")
	switch known := invalid.ErrorKind.(type) {
	case *kind.Type:
		return []string{fmt.Sprintf("`%s` is of type %s, not %s", field, known.Got, strings.Join(known.Want, " or "))}
	case *kind.Required:
		return []string{fmt.Sprintf("`%s` lacks %s", field, strings.Join(known.Missing, ", "))}
	case *kind.AdditionalProperties:
		return []string{fmt.Sprintf("`%s` may not have %s", field, strings.Join(known.Properties, ", "))}
	default:
		return []string{fmt.Sprintf("`%s` violates `%s`", field, strings.Join(invalid.ErrorKind.KeywordPath(), "/"))}
	}
}
