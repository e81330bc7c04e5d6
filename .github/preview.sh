#!/usr/bin/env bash
# Previews the stacks that a change affects, and writes report.md and gate.txt beside the previews.
#
#   .github/preview.sh BASE FOLDER pulumi            with credentials
#   .github/preview.sh BASE FOLDER sandbox/pulumi    on the sandbox
#
# The exit status is that of the gate. A label allow:NAME in LABELS, separated by spaces, lets a resource that holds data be
# deleted or replaced.
set -euo pipefail
base=$1 folder=$2 pulumi=$3
mkdir -p "$folder"
previews=()
for stack in $(.venv/bin/python -m ops stacks --since "$base"); do
    # A copy, since the engine writes options of the command line to the stack file.
    cp "Pulumi.$stack.yaml" "$folder/"
    # If a preview fails, the report says why, and the gate fails.
    "$pulumi" preview --json --show-sames --non-interactive --stack "$stack" \
        --config-file "$folder/Pulumi.$stack.yaml" \
        --config central-log-archive:previewRole=central-log-archive-previewer > "$folder/$stack.json" || true
    previews+=("$folder/$stack.json")
done
.venv/bin/python -m ops report "${previews[@]}" > "$folder/report.md"
allowed=()
for label in ${LABELS:-}; do
    if [[ $label == allow:* ]]; then allowed+=(--allow "${label#allow:}"); fi
done
.venv/bin/python -m ops gate "${allowed[@]}" "${previews[@]}" | tee "$folder/gate.txt"
