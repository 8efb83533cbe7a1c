package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// identity tells the objects of one render apart.
type identity struct {
	apiVersion, kind, namespace, name string
	// nth counts the ones that are the same up to here.
	nth int
}

// markUnstable notes on each object of the first render where it differs from the second. It
// returns which objects only one of them has, by kind and file: their names may be other ones each
// time, and what is said of them is not to be.
func markUnstable(first, second []object) []string {
	others := map[identity]*object{}
	seen := map[identity]int{}
	for i := range second {
		others[identify(second[i].Body, seen)] = &second[i]
	}
	var single []string
	clear(seen)
	for i := range first {
		key := identify(first[i].Body, seen)
		other, ok := others[key]
		if !ok {
			single = append(single, describeSingle(key, first[i]))
			continue
		}
		delete(others, key)
		if bytes.Equal(first[i].Body, other.Body) {
			continue
		}
		var a, b any
		if json.Unmarshal(first[i].Body, &a) == nil && json.Unmarshal(other.Body, &b) == nil {
			differences("", a, b, &first[i].Unstable)
		}
	}
	for key, other := range others {
		single = append(single, describeSingle(key, *other))
	}
	slices.Sort(single)
	return slices.Compact(single)
}

func describeSingle(key identity, object object) string {
	return "a " + key.kind + " of " + object.Origin.File
}

func identify(body json.RawMessage, seen map[identity]int) identity {
	var read head
	// What is no object keeps the empty name.
	_ = json.Unmarshal(body, &read)
	key := identity{apiVersion: read.APIVersion, kind: read.Kind, namespace: read.Metadata.Namespace, name: read.Metadata.Name}
	nth := seen[key]
	seen[key]++
	key.nth = nth
	return key
}

// differences adds the pointers at which two values differ. Lists of different lengths differ as a
// whole, as do values of different types.
func differences(pointer string, a, b any, found *[]string) {
	switch a := a.(type) {
	case map[string]any:
		if b, ok := b.(map[string]any); ok {
			keys := maps.Clone(a)
			maps.Copy(keys, b)
			for _, key := range slices.Sorted(maps.Keys(keys)) {
				at := pointer + "/" + pointerPart(key)
				inA, okA := a[key]
				inB, okB := b[key]
				if okA != okB {
					*found = append(*found, at)
				} else {
					differences(at, inA, inB, found)
				}
			}
			return
		}
	case []any:
		if b, ok := b.([]any); ok && len(a) == len(b) {
			for i := range a {
				differences(pointer+"/"+strconv.Itoa(i), a[i], b[i], found)
			}
			return
		}
	}
	if !reflect.DeepEqual(a, b) {
		*found = append(*found, pointer)
	}
}
