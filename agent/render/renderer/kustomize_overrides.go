package main

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/yaml"
)

func (o overrides) empty() bool {
	return len(o.Images)+len(o.Patches)+len(o.Components)+len(o.Labels)+len(o.Annotations)+len(o.Replicas) == 0 &&
		o.NamePrefix == "" && o.NameSuffix == "" && o.Namespace == ""
}

// override writes the kustomization that the overrides of an Application stand for.
func (r *kustomizeRun) override(base string, wanted overrides) error {
	kustomization := types.Kustomization{
		Resources:         []string{fromVirtual(base)},
		NamePrefix:        wanted.NamePrefix,
		NameSuffix:        wanted.NameSuffix,
		Namespace:         wanted.Namespace,
		CommonAnnotations: wanted.Annotations,
		Patches:           patchesOf(wanted.Patches),
	}
	for _, written := range wanted.Components {
		relative, err := resolve(strings.TrimPrefix(strings.TrimPrefix(base, root), "/"), written)
		if err != nil {
			return err
		}
		kustomization.Components = append(kustomization.Components, fromVirtual(path.Join(root, relative)))
	}
	if len(wanted.Labels) > 0 {
		kustomization.Labels = []types.Label{{Pairs: wanted.Labels}}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted.Replicas)) {
		kustomization.Replicas = append(kustomization.Replicas, types.Replica{Name: name, Count: wanted.Replicas[name]})
	}
	for index, written := range wanted.Images {
		image, ok := imageOf(written)
		if !ok {
			return &failure{Code: "kz.image", Message: fmt.Sprintf("images[%d] is none of `name=new:tag`, `name:tag`, `name@digest`", index), exact: true}
		}
		kustomization.Images = append(kustomization.Images, image)
	}
	return r.write(kustomization)
}

// write puts a kustomization into the directory of the renderer's own.
func (r *kustomizeRun) write(kustomization types.Kustomization) error {
	content, err := yaml.Marshal(kustomization)
	if err != nil {
		return err
	}
	r.files.written[virtualRoot+"/kustomization.yaml"] = content
	return nil
}

func fromVirtual(target string) string {
	relative, err := filepath.Rel(virtualRoot, target)
	if err != nil {
		return target
	}
	return relative
}

func patchesOf(patches []patch) []types.Patch {
	var made []types.Patch
	for _, one := range patches {
		next := types.Patch{Patch: one.Patch}
		if len(one.Target) > 0 {
			next.Target = &types.Selector{
				ResId: resid.ResId{
					Gvk:       resid.Gvk{Group: one.Target["group"], Version: one.Target["version"], Kind: one.Target["kind"]},
					Name:      one.Target["name"],
					Namespace: one.Target["namespace"],
				},
				LabelSelector:      one.Target["labelSelector"],
				AnnotationSelector: one.Target["annotationSelector"],
			}
		}
		made = append(made, next)
	}
	return made
}

// imageOf reads what `kustomize edit set image` takes. `*` for the new name keeps the old one.
func imageOf(written string) (image types.Image, ok bool) {
	name, value, renamed := strings.Cut(written, "=")
	if !renamed {
		value = written
	}
	value, image.Digest, _ = strings.Cut(value, "@")
	newName := value
	if colon := strings.LastIndex(value, ":"); colon > strings.LastIndex(value, "/") {
		newName, image.NewTag = value[:colon], value[colon+1:]
	}
	if renamed {
		image.Name, image.NewName = name, newName
	} else {
		image.Name = newName
	}
	changes := image.NewTag != "" || image.Digest != "" || image.NewName != ""
	return image, image.Name != "" && changes
}
