#!/usr/bin/env bash
# Compares a stack with its accounts, with roles that only read, and prints what differs.
#
#   .github/drift.sh STACK pulumi            with credentials
#   .github/drift.sh STACK sandbox/pulumi    on the sandbox
#
# The exit status is 0 only if nothing differs.
set -euo pipefail
stack=$1 pulumi=$2 folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
# A copy, since the engine writes options of the command line to the stack file.
cp "Pulumi.$stack.yaml" "$folder/"
# Without the program, a refresh assumes the roles in the state: those that deployed the stack.
status=0
"$pulumi" preview --refresh --run-program --json --show-sames --non-interactive --stack "$stack" \
    --config-file "$folder/Pulumi.$stack.yaml" \
    --config central-log-archive:previewRole=central-log-archive-reader > "$folder/$stack.json" || status=$?
# If the preview failed, the report says why.
.venv/bin/python -m ops report --expect-no-changes "$folder/$stack.json"
exit "$status"
