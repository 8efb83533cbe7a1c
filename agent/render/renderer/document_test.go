package main

import "testing"

func TestDocumentsKnowTheirNumberAndLine(t *testing.T) {
	found := documents([]byte("# licence\n\n---\n# one\na: 1\n---\n---\nb: 2\n"))
	if len(found) != 2 {
		t.Fatalf("found %d documents", len(found))
	}
	if found[0].line != 5 || found[1].line != 8 || found[1].number != 3 {
		t.Errorf("found %+v", found)
	}
}

func TestALineThatOnlyBeginsWithDashesIsContent(t *testing.T) {
	if found := documents([]byte("a: |\n----\n  b\n")); len(found) != 1 {
		t.Errorf("found %d documents", len(found))
	}
}

func TestASyntaxErrorIsFoundAtItsLineOfTheFile(t *testing.T) {
	line, _, found := unreadable([]byte("a: 1\n---\n\nb: 2\nc: d: e\n"))
	if !found || line != 5 {
		t.Errorf("line %d, found %v", line, found)
	}
}

func TestTheDocumentWithTheLongestNameInTheNameWins(t *testing.T) {
	of := func(name string) place {
		var written head
		written.Kind, written.Metadata.Name = "Service", name
		return place{head: written, document: document{text: name}}
	}
	places := []place{of("web"), of("web-canary"), of("other")}
	if found := best(places, "Service", "prod-web-canary", ""); found == nil || found.document.text != "web-canary" {
		t.Errorf("found %+v", found)
	}
	if found := best(places, "Deployment", "web", ""); found != nil {
		t.Errorf("found %+v", found)
	}
}
