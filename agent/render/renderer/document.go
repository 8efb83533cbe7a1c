package main

import (
	"regexp"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// document is one document of a YAML file.
type document struct {
	number int
	// line is where its content starts in the file, from 1.
	line int
	text string
}

// documents takes a file apart. Documents without content are counted and left out.
func documents(content []byte) []document {
	var found []document
	number, start, explicit := 0, 0, false
	lines := strings.SplitAfter(string(content), "\n")
	close := func(end int) {
		text := strings.Join(lines[start:end], "")
		first := contentLine(lines[start:end])
		if explicit || first > 0 {
			number++
		}
		if first > 0 {
			found = append(found, document{number: number, line: start + first, text: text})
		}
	}
	for i, line := range lines {
		if strings.HasPrefix(line, "---") && (len(strings.TrimSpace(line)) == 3 || line[3] == ' ' || line[3] == '\t') {
			if i > start || explicit {
				close(i)
			}
			// Content may stand on the line of the marker; the line is kept for its number.
			lines[i] = strings.TrimPrefix(line, "---")
			start, explicit = i, true
		}
	}
	close(len(lines))
	return found
}

// contentLine returns the first line that is neither blank nor a comment, from 1; 0 for none.
func contentLine(lines []string) int {
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			return i + 1
		}
	}
	return 0
}

// head is the identity of an object.
type head struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// unreadable returns the line of the first error of syntax in a file, and whether there is one.
func unreadable(content []byte) (line int, message string, found bool) {
	for _, document := range documents(content) {
		var ignored any
		if err := yaml.Unmarshal([]byte(document.text), &ignored); err != nil {
			start := document.line - contentLine(strings.SplitAfter(document.text, "\n"))
			line, message := splitLine(err.Error())
			return start + max(line, 1), message, true
		}
	}
	return 0, "", false
}

// splitLine takes the line number out of a message of the YAML library.
func splitLine(message string) (int, string) {
	line := 0
	if match := yamlLine.FindStringSubmatch(message); match != nil {
		line, _ = strconv.Atoi(match[1])
	}
	if _, rest, ok := strings.Cut(message, "yaml: "); ok {
		message = rest
	}
	message = yamlLine.ReplaceAllString(message, "")
	return line, strings.TrimLeft(message, ": ")
}
