#!/usr/bin/env bash
# Previews the stacks that a change touches, and writes report.md and gate.txt beside what the engine said of each.
#
#   .github/preview.sh BASE FOLDER pulumi            with credentials
#   .github/preview.sh BASE FOLDER sandbox/pulumi    on the sandbox
#
# The exit status is that of the gate. LABELS, separated by spaces, may let something that holds data go: allow:NAME.
set -euo pipefail
base=$1 folder=$2 pulumi=$3
mkdir -p "$folder"
previews=()
for stack in $(.venv/bin/python -m ops stacks --since "$base"); do
    # A copy, since the engine writes into the stack file what the command line says.
    cp "Pulumi.$stack.yaml" "$folder/"
    # A preview that fails says why in what it printed; the report tells, and the gate stays shut.
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
