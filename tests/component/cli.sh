#!/bin/bash
# The command line as it is: exit statuses, offline placement, completion, and
# that docs/cli.md tells what the program tells.
set -u
build=$(realpath "$1")
cd "$(dirname "$0")/../.." || exit 1
PATH=$build:$PATH
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export MILKYWAY_DIR=$dir/none NO_COLOR=1
deck=bench-data/worlds/deck17.json

check() { # WHAT COMMAND...
	local what=$1
	shift
	if "$@"; then
		echo "ok - $what"
	else
		echo "not ok - $what"
	fi
}

# status EXPECTED TEXT ARGS...: exit status, and text somewhere in the output.
status() {
	local want=$1 text=$2 rc
	shift 2
	milkyway "$@" >"$dir/out" 2>&1 </dev/null
	rc=$?
	if [ "$rc" -eq "$want" ] && grep -qF -- "$text" "$dir/out"; then
		return 0
	fi
	echo "status $rc, not $want, or no \"$text\":"
	cat "$dir/out"
	return 1
}

check "help is 0" status 0 "usage: milkyway" help
check "no command is 2" status 2 "usage: milkyway"
check "version" status 0 "milkyway $(cat VERSION)" version
check "a misspelt command is 2 and named" status 2 '"place"?' plcae
check "a noun lists its verbs" status 2 "mcis suspend" mcis
check "help of a noun" status 0 "mcis suspend" mcis --help
check "a wrong verb is named with those there are" status 2 "it takes: create" mcis explode
check "a misspelt option is 2 and named" status 2 "--world?" place --wrold x
check "help of a command" status 0 "--max-rtt MS" place --help
check "help of exec without a command" status 0 "{{region}}" exec --help
check "a missing file is 3 and named" status 3 nowhere.json \
    place --world nowhere.json --vms 2
check "a query where a world is due" status 2 "is a placement query" \
    place --world bench-data/queries/five-under-40ms.json --vms 2
check "a world where a group is due" status 2 "is a world" mcis create -f $deck
check "wrong JSON is 2" status 2 "cli.sh" place --world "$0" --vms 2
check "no token is 3 with a way out" status 3 "milkyway up" mcis list
mkdir -p "$dir/t" && echo t >"$dir/t/token"
check "no coordinator is 7" env MILKYWAY_DIR="$dir/t" bash -c "$(declare -f status)
    dir='$dir'; status 7 'milkyway up' mcis list --url http://127.0.0.1:1"
check "an answer is 0" status 0 "optimal: proved" \
    place --world $deck --vms 5 --max-rtt 40
check "no group is 4, with the pair that sets the limit" status 4 \
    "the limit must exceed 57.671 ms (now 40), set by" \
    place --world $deck --vms 5 --csps 2 --max-rtt 40
check "all sets under the limit" status 0 "4 maximal sets of sites" \
    place --world $deck --groups --max-rtt 40
check "an unknown objective is 2" status 2 "--objective" \
    place --world $deck --vms 2 --objective fastest
for query in bench-data/queries/*.json; do
	milkyway place --world $deck -f "$query" -o json >"$dir/a.json"
	check "$(basename "$query") gives JSON" \
	    python3 -c 'import json, sys; json.load(open(sys.argv[1]))["ranking"]' "$dir/a.json"
done

for shell in bash zsh fish; do
	milkyway completion $shell >"$dir/completion"
	if command -v $shell >/dev/null; then
		check "$shell takes its completion" $shell -n "$dir/completion"
	else
		echo "skip - completion of $shell, no $shell here"
	fi
done
completes() { # WORDS... WANTED
	local n=$# want=${*: -1}
	milkyway completion bash >"$dir/completion"
	bash --norc -c 'source "$1"; shift
	    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _milkyway; echo "${COMPREPLY[@]}"' \
	    _ "$dir/completion" "${@:1:n-1}" | grep -qxF -- "$want"
}
check "placement tests pass" status 0 "3 passed, 0 failed" \
    place test bench-data/place-tests/deck17.json
sed 's/58.22/60/' bench-data/place-tests/deck17.json >"$dir/wrong.json"
sed -i "s|../worlds|$PWD/bench-data/worlds|" "$dir/wrong.json"
check "a placement test that fails is 4 and says why" status 4 \
    "minFeasibleRttMs is 58.220" place test "$dir/wrong.json"
sed -i 's/"status"/"statux"/' "$dir/wrong.json"
check "an expectation that nobody knows is 2" status 2 "/expect/statux" \
    place test "$dir/wrong.json"
check "Terraform variables" status 0 'instance_type = "c5.xlarge"' \
    place --world $deck --vms 2 --csps 2 --max-rtt 40 -o tfvars
check "no group, no variables" status 4 "no group to write" \
    place --world $deck --vms 5 --csps 2 --max-rtt 40 -o tfvars
check "a what-if curve" status 0 "56.750" whatif --world $deck --vms 3 --csps 2
check "sizes" status 0 "57.671" whatif --world $deck --sizes 6 --csps 2
pareto() {
	milkyway pareto --world $deck --vms 4 --csps 3 --objective performance \
	    --svg "$dir/front.svg" 2>&1 | grep -q knee &&
	    grep -q "</svg>" "$dir/front.svg"
}
check "a Pareto front with its knee and picture" pareto
check "no curve is 4" status 4 "no group meets the rest" \
    whatif --world $deck --vms 3 --csps 5
check "bash completes a command" completes milkyway pla "place placement"
check "bash completes a verb" completes milkyway mcis cr "create"
check "bash completes an option" completes milkyway place --max "--max-rtt"
check "docs/cli.md is up to date (else: make cli-doc)" \
    diff -u docs/cli.md <(sh .ci/gen-cli-doc.sh "$build/milkyway")
exit 0
