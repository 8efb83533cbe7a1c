#!/bin/sh
# Makes the encrypted files again, for the key of the renderer's tests. Needs sops and age-keygen.
set -eu
cd "$(dirname "$0")"
key=$(age-keygen -y ../../../../agent/render/tests/it/fixtures/sops/keys/age.agekey)

encrypt() { # name of the file, its format, flags; the plain text comes in
    name=$1 format=$2
    shift 2
    sops --encrypt --age "$key" --input-type "$format" --output-type "$format" \
        --filename-override "$name" "$@" /dev/stdin > "$name"
}
object() { # kind, field, value
    printf 'apiVersion: v1\nkind: %s\nmetadata:\n  name: sealed\n%s:\n  password: %s\n' "$1" "$2" "$3"
}
fields='--encrypted-regex ^(data|stringData)$'
object Secret stringData canary-sealed-secret-1 | encrypt secret-1.yaml yaml $fields
object Secret stringData canary-sealed-secret-2 | encrypt secret-2.yaml yaml $fields
object ConfigMap data canary-sealed-map-1 | encrypt map-1.yaml yaml $fields
object ConfigMap data canary-sealed-map-2 | encrypt map-2.yaml yaml $fields
echo 'TOKEN=canary-sealed-token' | encrypt settings.env dotenv
echo 'password: canary-sealed-values' | encrypt values.yaml yaml
