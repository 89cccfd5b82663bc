#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Plays failover-demo in twelve seconds and judges what it says of itself: its exit status, its JSON
# file, its plot. Then that no server process outlives it, however it ends, and that bad options are
# refused by name.
#
#     tests/demo/run.sh path/to/failover-demo
#
# Needs jq. Prints a line for each check; exits 1 when one failed.
set -u

demo=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# check TITLE COMMAND...: the command must succeed.
check() {
    title=$1
    shift
    if "$@" >"$work/check.out" 2>&1; then
        echo "ok      $title"
    else
        echo "FAILED  $title"
        sed 's/^/        /' "$work/check.out"
        failures=$((failures + 1))
    fi
}

# holds TITLE FILTER: the jq filter must give true for the summary.
holds() {
    check "$1" jq -e "$2" "$work/run.json"
}

# refuses TEXT OPTION...: exit status 2, and the message contains the text.
refuses() {
    text=$1
    shift
    timeout 20 "$demo" --svg "$work/unused.svg" "$@" >"$work/out" 2>"$work/err"
    status=$?
    check "$* is refused with status 2" test "$status" -eq 2
    check "$* is named in the message" grep -qF -- "$text" "$work/err"
}

# The servers are forked from the demonstration and share its command line, which names a file of
# this run. The needle comes from a file, or grep would find itself; -q, or a process that vanishes
# under its eyes would count as an error instead of a match.
echo "$work/run." >"$work/needle"
none_left() {
    ! grep -qaF -f "$work/needle" /proc/[0-9]*/cmdline 2>/dev/null
}

# The kernel takes a moment to end the children of a process that was killed.
none_left_soon() {
    tries=100
    until none_left; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

# stop_by SIGNAL: starts a run, sends it the signal once it lives, leaves its status in $status.
stop_by() {
    : >"$work/out" # or the last run's lines would be taken for this one's
    "$demo" --seconds 8 --plain --svg "$work/run.stopped.svg" >"$work/out" 2>"$work/err" &
    pid=$!
    until grep -q 'requests/s' "$work/out" || ! kill -0 "$pid"; do
        sleep 0.1
    done
    kill -s "$1" "$pid"
    wait "$pid" 2>/dev/null
    status=$?
}

timeout 60 "$demo" --seconds 12 --seed 7 --plain --json "$work/run.json" \
    --svg "$work/run.svg" >"$work/out" 2>"$work/err"
status=$?
check "no request was lost that a retry could have saved: status 0" test "$status" -eq 0
check "nothing on standard error" test ! -s "$work/err"
check "no process is left" none_left

holds "the JSON file is complete" '.version and (.acts | length == 10) and (.faults | length == 3)'
holds "hundreds of requests were sent" '.totals.requests > 500'
holds "none was lost" '.totals.lost_that_a_retry_could_have_saved == 0'
holds "some were saved by a retry" '.totals.saved_by_retry > 0'
holds "at first every server has its share" \
    '[.acts[0].servers[:6][] | .share > 0.12 and .share < 0.22] | all'
holds "the killed server has less than 3 % in its act" \
    '.acts[] | select(.name == "killed") | .servers[1].share < 0.03'
holds "the killed and the frozen one have less than 1 % in the next act" \
    '.acts[] | select(.name == "slowed") | .servers[1].share < 0.01 and .servers[2].share < 0.01'
holds "the killed and the frozen one are noticed" '[.faults[:2][].down_after_ms | . != null] | all'
holds "all three servers come back" '[.faults[].returned_after_ms | . != null] | all'
holds "the added server gets its share" '.acts[5].servers[6].share > 0.08'
holds "no pick after the drain" '.removed.picks_after_drain == 0'
holds "the removed server is released" '.removed.released_after_ms != null'
holds "without a local zone both zones have their share" \
    '.acts[0].zones | map(.share > 0.4 and .share < 0.6) | all'
holds "while the local zone is well it has all of the traffic" \
    '.acts[] | select(.name == "local") | .zones[0].name == "near" and .zones[0].share > 0.97'
holds "when it is lost, the traffic goes to the other zone" \
    '.acts[] | select(.name == "lost") | .zones[1].name == "far" and .zones[1].share > 0.9'
holds "it is noticed within half a second" '.zone_lost.below_1_percent_after_ms < 500'
holds "requests run into the loss, and retries save them all" \
    '[.acts[] | select(.name == "local" or .name == "lost") | .totals]
     | (map(.saved_by_retry) | add > 0) and (map(.lost) | add == 0)'
holds "when it is back, it gets the traffic back" '.zone_lost.returned_after_ms != null'
holds "the explanation agrees with the traffic in each zone act" \
    '[.acts[7:][].zones[] | [.name, .explained.level, (.explained.share * 100 | round)]] ==
     [["near", 0, 100], ["far", 1, 0], ["near", 0, 0], ["far", 1, 100], ["near", 0, 100], ["far", 1, 0]]'
holds "outside the zone acts nothing is explained" '[.acts[:7][].zones[].explained] | all(. == null)'
check "the explanation stands among the lines and in the summary" \
    test "$(grep -cx '.*level 0 (zone near): 0 % of the traffic, 0 of 3 healthy' "$work/out")" -eq 2
holds "every server is released exactly once" \
    '.released.servers == 7 and .released.exactly_once == 7'
holds "the story tells of a death, a return and a release" \
    '[.events[].kind] | (index("DOWN") and index("TRIAL") and index("RECOVERED") and
                         index("REMOVED") and index("RELEASED"))'
check "the plot has an area for each server" \
    test "$(grep -c '<polygon' "$work/run.svg")" -eq 7
# A bar that began before the act would put what the act did in front of it.
bars_keep_to_their_acts() {
    awk -F '"' '
        /class="mark"/ { split(substr($4, 2), at, " "); mark[++marks] = at[1] }
        /class="(failed|lost)" x="[0-9.]*" y="[0-9]*\.[0-9]"/ { left[++bars] = $4; width[bars] = $8 }
        END {
            for (i = 1; i <= bars; i++)
                for (j = 1; j <= marks; j++)
                    if (left[i] < mark[j] - 0.11 && left[i] + width[i] > mark[j] + 0.11) {
                        print "a bar from " left[i] ", " width[i] " wide, over the mark at " mark[j]
                        wrong = 1
                    }
            exit wrong || bars == 0 || marks != 9
        }' "$1"
}

check "no bar of the plot stands on both sides of the mark of an act" \
    bars_keep_to_their_acts "$work/run.svg"
check "the plot is complete" sh -c "tail -n 1 '$work/run.svg' | grep -q '^</svg>$'"

stop_by TERM
check "an interrupted run still has its summary, and status 0" test "$status" -eq 0
check "it says that it was interrupted" grep -q '^Interrupted after' "$work/out"
check "no process is left of it" none_left
stop_by KILL
check "no server survives the death of the demonstration" none_left_soon

"$demo" --version >"$work/out" 2>"$work/err"
check "--version names program and library" grep -q '^failover-demo, libfailover [0-9]' "$work/out"
"$demo" --help >"$work/out" 2>"$work/err"
check "--help lists the options" grep -q -- '--threads=N' "$work/out"
refuses "--seconds: '7'" --seconds 7
refuses "--seconds: 'ten'" --seconds ten
refuses "--servers: '3'" --servers 3
refuses "--servers: '-1'" --servers=-1
refuses "--threads: '0'" --threads 0
refuses "--threads: '8x'" --threads 8x
refuses "--seed: ''" --seed ''
refuses "--seed: '99999999999999999999'" --seed 99999999999999999999
refuses "unrecognized option '--colour'" --colour
refuses "'now'" now
refuses "$work/none/x.json" --json "$work/none/x.json"
refuses "both name" --json "$work/unused.svg"

if [ "$failures" -gt 0 ]; then
    echo "$failures checks failed"
    exit 1
fi
echo "all checks passed"
