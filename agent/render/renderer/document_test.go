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
