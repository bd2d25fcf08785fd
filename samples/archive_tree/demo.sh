#!/usr/bin/env bash
# Archives the project's own tree with a worker that is killed with SIGKILL half-way and started again, then shows what
# ran before the kill, what after, what ran twice, and checks that nothing was recorded twice.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)
place=$(mktemp -d "${TMPDIR:-/tmp}/archive_tree.XXXXXX")
worker= client=
tidy() {
    for process in $worker $client; do kill -9 "$process" 2>/dev/null || true; done
    rm -rf "$place"
}
trap tidy EXIT

export NEXUS_STORE="sqlite:///$place/nexus.db"
export ARCHIVE_TREE_PACE=0.1 # seconds that each file is slowed down, so that there is a half-way
id=demo
bold= plain=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
step() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
start_worker() { nexus worker archive_tree 2>>"$place/worker.log" & worker=$!; }

cd "$here"
input=$(printf '{"source": "%s", "target": "%s", "exclude": [".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis"]}' \
    "$project" "$place/archive")

step "start archive_tree on this project"
nexus start archive_tree:archive_tree --id $id --input "$input" --wait >"$place/result.json" 2>"$place/client.log" &
client=$!

step "start a worker"
start_worker
python demo_timeline.py wait-halfway $id || { echo "it came to nothing:"; cat "$place"/*.log; exit 1; }
kill -9 "$worker"
wait "$worker" 2>/dev/null || true
killed=$(python -c 'import time; print(time.time())')
step "killed it with SIGKILL half-way; the store says:"
nexus show $id | sed 's/^/    /'

step "start another worker, and wait for the result"
start_worker
wait "$client" || { echo "it failed:"; cat "$place/client.log" "$place/worker.log"; exit 1; }
client=
kill "$worker" # drains
wait "$worker" || true
worker=
sed 's/^/    /' "$place/result.json"

step "what ran when, from the history"
nexus history $id --json | python demo_timeline.py show "$killed"
[ ! -e "$place/archive/work" ] && [ -z "$(find "$place/archive" -name '.writing-*')" ] || { echo "something half was left behind"; exit 1; }
