#!/usr/bin/env bash
# Previews the stacks that a change affects, and writes report.md and gate.txt beside the previews.
#
#   .github/preview.sh BASE FOLDER pulumi            with credentials
#   .github/preview.sh BASE FOLDER sandbox/pulumi    on the sandbox
#
# The exit status is that of the gate. A label allow:NAME@COMMIT in LABELS, separated by spaces, accepts a risk by the name
# that the report gives it. It holds for the commit in COMMIT only, so that nothing that is pushed later is accepted with it.
set -euo pipefail
base=$1 folder=$2 pulumi=$3 commit=${COMMIT:-$(git rev-parse HEAD)}
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
.venv/bin/python -m ops report --since "$base" --commit "$commit" "${previews[@]}" > "$folder/report.md"
allowed=()
for label in ${LABELS:-}; do
    if [[ $label =~ ^allow:(.+)@([0-9a-f]{12,40})$ && $commit == "${BASH_REMATCH[2]}"* ]]; then
        allowed+=(--allow "${BASH_REMATCH[1]}")
    fi
done
.venv/bin/python -m ops gate --since "$base" "${allowed[@]}" "${previews[@]}" | tee "$folder/gate.txt"
