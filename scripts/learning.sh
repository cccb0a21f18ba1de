#!/usr/bin/env bash
# Trains an adapter on the pocket model for a history and measures it on what was held out of that history.
#
#   scripts/learning.sh EXPORT... [-- options of `groupchat dataset`]
#
# GROUPCHAT names the program, MODEL another base, TRAIN more options of `groupchat train`. Everything happens in a folder
# that is deleted at the end, unless KEEP names one.
set -euo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"
groupchat="${GROUPCHAT:-$here/target/release/groupchat}"
model="$(realpath "${MODEL:-$here/sample/pocket.gguf}")"

exports=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  exports+=("$1")
  shift
done
[ "${1:-}" = -- ] && shift
if [ ${#exports[@]} -eq 0 ]; then
  echo "usage: scripts/learning.sh EXPORT... [-- options of \`groupchat dataset\`]" >&2
  exit 2
fi

data="${KEEP:-$(mktemp -d)}"
mkdir -p "$data"
# As root the database runs as somebody else, who must be able to pass through.
chmod 755 "$data"
[ -n "${KEEP:-}" ] || trap 'rm -rf "$data"' EXIT

"$groupchat" import "${exports[@]}" --web --members-agreed --data "$data" >"$data/import.txt"
"$groupchat" dataset --data "$data" "$@"
# shellcheck disable=SC2086
"$groupchat" train --data "$data" --dataset "$data/dataset" --model "$model" ${TRAIN:-}
"$groupchat" eval --data "$data" --dataset "$data/dataset" --model "$model" --adapter "$data/training/group/group.gguf"
