#!/usr/bin/env bash
# The demonstration: one relay emulator on port 5010 and four gateway nodes on 5004..5007, each with its own key, data folder and
# embedded ledger node, under one supervisor that shows one live line and ends every process that it started.
#
#   SPEED=1   keeps its keys, genesis and chains under run/
#   SPEED=n   runs on a virtual clock n times as fast, with a chain of its own under run-xn/
#
#   RUN_DIR=folder                  keeps them there instead
#   GRIDWITNESS_PORTS='a b c d e'   other ports: of the four nodes, then of the relay emulator; a folder keeps the ports that it
#                                   was made with
#
# A second start resumes the chain. Ctrl-C ends everything.
set -u

speed=${SPEED:-1}
bin=${GRIDWITNESS_BIN:-bin}
read -ra ports <<<"${GRIDWITNESS_PORTS:-5004 5005 5006 5007 5010}"
host=127.0.0.1
pids=()
names=()

die() {
    printf 'make run: %s\n' "$*" >&2
    exit 1
}

[[ $speed =~ ^[1-9][0-9]{0,2}$ ]] || die "SPEED=$speed: a whole number from 1 to 999 is needed"
if ((speed == 1)); then dir=run; else dir=run-x$speed; fi
dir=${RUN_DIR:-$dir}
((${#ports[@]} == 5)) || die "GRIDWITNESS_PORTS=${GRIDWITNESS_PORTS:-}: five ports are needed, four nodes and the relay emulator"
for port in "${ports[@]}"; do
    if ! [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then die "GRIDWITNESS_PORTS: $port is no port"; fi
    [[ " ${ports[*]} " != *" $port "*" $port "* ]] || die "GRIDWITNESS_PORTS: $port is named twice"
done
relay_port=${ports[4]}
ports=("${ports[@]:0:4}")
for tool in curl jq flock; do
    command -v "$tool" >/dev/null || die "$tool is missing; 'make deps' installs it"
done
for program in relay-emulator gateway ledger; do
    [[ -x $bin/$program ]] || die "$bin/$program is not built; 'make' builds it"
done

# ---- one supervisor a folder, and free ports ----

umask 077
mkdir -p "$dir/keys" "$dir/log" || die "cannot make $dir"
exec 9>"$dir/supervisor.lock"
flock -n 9 || die "another run uses $dir/ (its supervisor holds $dir/supervisor.lock)"

port_is_busy() { (exec 3<>"/dev/tcp/$host/$1") 2>/dev/null; }
for port in "$relay_port" "${ports[@]}"; do
    if port_is_busy "$port"; then
        die "port $port on $host is busy: another program answers there; end it first"
    fi
done

# ---- keys, genesis and configurations, once ----

make_plan() {
    local port collect=1000 stagger=1500
    ((speed > 1)) && collect=10000 stagger=3000
    jq -n --argjson collect "$collect" --argjson stagger "$stagger" \
        '{name: "GridWitness demonstration", demo: true, bits: 16, utc_offset_min: -300,
          policy: {collect_ms: $collect, stagger_ms: $stagger},
          gateways: [$ARGS.positional[] | {name: ("Red_BKC_NODO_" + .), key: ("keys/" + . + ".pem")}],
          relays: [{id: "relay-1", device: "Relay 1", equipment: "Rele_1",
                    substation: "Bogotá Electrical Substation - U.D."}]}' --args "${ports[@]}"
}

make_config() {
    local port=$1
    jq -n --argjson port "$port" --argjson relay "$relay_port" --arg host "$host" \
        '{genesis: "genesis.json", key: "keys/\($port).pem", data: "node-\($port)",
          node: {bind: $host, port: $port, peers: [$ARGS.positional[] | select(. != "\($port)") | "http://\($host):\(.)"]},
          relays: [{id: "relay-1", host: $host, port: $relay}]}' --args "${ports[@]}"
}

# once FILE COMMAND...: its output becomes FILE, whole or not at all; an interrupted start leaves no half file behind.
once() {
    local file=$1
    shift
    [[ -s $file ]] && return
    if ! { "$@" >"$file.part" && mv "$file.part" "$file"; }; then die "cannot make $file"; fi
}
make_seed() { od -An -N4 -tu4 /dev/urandom | tr -d ' '; }

for port in "${ports[@]}"; do
    if [[ -s $dir/genesis.json && ! -s $dir/keys/$port.pem ]]; then
        die "$dir/ was made with other ports than $port; give it the same GRIDWITNESS_PORTS, or another RUN_DIR"
    fi
    [[ -s $dir/keys/$port.pem ]] || "$bin/ledger" keygen "$dir/keys/$port.pem" >/dev/null || die "no key for $port"
    once "$dir/gateway-$port.json" make_config "$port"
done
if [[ ! -s $dir/genesis.json ]]; then
    rm -f "$dir/genesis.json" # an empty one; ledger init never overwrites
    once "$dir/plan.json" make_plan
    "$bin/ledger" init --from "$dir/plan.json" --out "$dir/genesis.json" >/dev/null || die "no genesis"
fi
once "$dir/seed" make_seed

# ---- the clock ----

now_ms() { date +%s%3N; }

newest_in_store() {
    local newest=0 port value
    for port in "${ports[@]}"; do
        [[ -e $dir/node-$port/chain.db ]] || continue
        value=$("$bin/ledger" tip --genesis "$dir/genesis.json" --data "$dir/node-$port" | jq -r .newest_ms) || continue
        [[ $value =~ ^[0-9]+$ ]] && ((value > newest)) && newest=$value
    done
    echo "$newest"
}

if ((speed > 1)); then
    real=$(now_ms)
    virtual=$(newest_in_store)
    ((virtual < real)) && virtual=$real
    export GRIDWITNESS_CLOCK="$virtual@${real}x$speed"
fi

# ---- processes ----

start() {
    local name=$1
    shift
    "$@" >"$dir/log/$name.out" 2>>"$dir/log/$name.log" 9>&- &
    pids+=("$!")
    names+=("$name")
}

stop_all() {
    trap '' INT TERM HUP
    local pid tries
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null; done
    for pid in "${pids[@]}"; do
        for ((tries = 0; tries < 50; tries++)); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    pids=()
}

on_signal() {
    printf '\nstopping\n'
    stop_all
    exit 0
}
trap on_signal INT TERM HUP
trap stop_all EXIT

fail_with_log() {
    printf '\nmake run: %s has ended; the end of %s:\n' "$1" "$dir/log/$1.log" >&2
    tail -n 5 "$dir/log/$1.log" >&2
    exit 1
}

check_alive() {
    local i
    for i in "${!pids[@]}"; do
        kill -0 "${pids[$i]}" 2>/dev/null || fail_with_log "${names[$i]}"
    done
}

start relay-emulator "$bin/relay-emulator" --bind "$host" --port "$relay_port" --mode paper --seed "$(cat "$dir/seed")" \
    --text-dir "$dir/minutes"
for port in "${ports[@]}"; do
    start "gateway-$port" "$bin/gateway" --config "$dir/gateway-$port.json"
done

# ---- wait until everything answers ----

get() { curl -s -m 2 "http://$host:$1$2"; }

all_up() {
    local port
    port_is_busy "$relay_port" || return 1
    for port in "${ports[@]}"; do
        get "$port" /v1/status | jq -e .height >/dev/null 2>&1 || return 1
    done
}

for ((tries = 0; ; tries++)); do
    check_alive
    all_up && break
    ((tries < 300)) || die "the processes do not answer after 30 s; see $dir/log/"
    sleep 0.1
done

clock_note=""
((speed > 1)) && clock_note=" Virtual clock, x$speed."
cat <<EOF
All five processes are up: relay emulator and four gateway nodes.$clock_note
  relay    Modbus/TCP $host:$relay_port        mbpoll -m tcp -a 1 -0 -t 4 -r 200 -c 34 -p $relay_port -1 $host
  nodes    http://$host:${ports[0]}  :${ports[1]}  :${ports[2]}  :${ports[3]}
  blocks   curl -s http://$host:${ports[0]}/v1/blocks/latest | jq .
  minutes  curl -s 'http://$host:${ports[1]}/v1/minutes?relay=relay-1&order=desc&limit=3' | jq .
  paper    curl -s http://$host:${ports[2]}/get_chain | jq .
  logs     $dir/log/          Ctrl-C ends everything.
EOF

# ---- the live line ----

# One line from all nodes' status and the newest minute: height, tip, agreement, witnesses.
live_line() {
    local port statuses="" minute
    for port in "${ports[@]}"; do statuses+=$(get "$port" /v1/status)$'\n'; done
    minute=$(get "${ports[0]}" '/v1/minutes?relay=relay-1&order=desc&limit=1')
    jq -rn --slurpfile s <(printf '%s' "$statuses") --argjson m "${minute:-null}" '
        ($s | map(.tip) | group_by(.) | map(length) | max // 0) as $agree
        | ($s | max_by(.height)) as $best
        | ($m.minutes[0]? // null) as $last
        | (($best.time / 1000 | floor | todate) // "?") + "  height \($best.height)  tip \($best.tip[0:12])"
        + "  \($agree) of 4 nodes on it  pool \($best.pool.statements)"
        + (if $last then "  last minute \($last.body.min * 60 | todate[0:16])Z attested \($last.attested | length) of \($last.of)"
             + " live \([$last.attested[].live] | join(","))"
           else "  no minute mined yet" end)' 2>/dev/null
}

previous=""
while :; do
    check_alive
    line=$(live_line)
    if [[ -t 1 ]]; then
        printf '\r\033[K%s' "${line:0:$(($(tput cols 2>/dev/null || echo 200) - 1))}"
    elif [[ -n $line && ${line#*  } != "$previous" ]]; then
        printf '%s\n' "$line"
        previous=${line#*  }
    fi
    sleep 1
done
