# shellcheck shell=bash
# Sourced after lib.sh: a chain, providers and a publisher on this machine, in a folder of their own.
#
#   network_begin            makes the folder, and has everything ended and removed at exit
#   start_chain              a development chain with one bookkeeper, or the one of the file $CHAIN_SPEC,
#                            that keeps all blocks and states unless $CHAIN_KEEPS says otherwise, with
#                            figures for Prometheus at $PROMETHEUS_PORT if that is set;
#                            with ZENNET_NODE_URL set, the running one of that node on this machine
#   start_providers COUNT    agents with funded accounts and mined identities
#   start_stand_ins ARG...   providers without machines, with coin and identities of their own
#   start_publisher          a funded account with a mined identity
#   claim NAME               runs the function NAME, if ${only[@]} is empty or has it, and counts it;
#                            `wrong TEXT` in it says what does not hold
#   skip NAME WHY            counts a claim that cannot be tried here
#   claims_end               says how many there were; fails when one did
#   submit ARGUMENT...       an order in the background; its events go to $NET/events
#   resume                   goes on with the machines of an order that was killed or left
#   end_order                Ctrl-C to the order; waits until it is settled
#   traces [KIND]...         what networks of this system have on it at the moment

NODE_BIN="$CARGO_TARGET_DIR/release/zennet-node"
AGENT_BIN="$CARGO_TARGET_DIR/release/provider-agent"
CLI_BIN="$CARGO_TARGET_DIR/release/publisher-cli"
NET='' NODE_PID='' SUBMIT_PID='' AGENT_PIDS=() PROVIDERS=0 PROVIDER_ADDRESS=()

# Longer than the daemon's own FAREWELL, which is for the settlement of its leases.
AGENT_PATIENCE=95

network_begin() {
	# Named before it is made, so that no moment is left in which a signal would leave it.
	NET=$(mktemp -u -d "${TMPDIR:-/tmp}/zennet-XXXXXX")
	# A signal may come while a command's output goes nowhere; the end is told all the same.
	exec {NET_STDERR}>&2
	trap network_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mkdir -m 700 "$NET"
}

# Runs a program in a session of its own, so that Ctrl-C reaches this script alone, which then ends
# the parts in their order. Its process id is left in $started.
start() {
	local log=$1
	shift
	setsid "$@" </dev/null >>"$log" 2>&1 {NET_STDERR}>&- &
	started=$!
}

# Tries a command until it succeeds; $1 seconds at most.
within() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}

alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }
dead() { ! alive "$1"; }

# Ends a process: a signal first, and after $3 seconds for good.
stop() {
	local pid=$1 signal=$2 patience=$3
	alive "$pid" || return 0
	kill -"$signal" "$pid" 2>/dev/null
	within "$patience" dead "$pid" || kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null || true
}

# Processes whose command line names something below the folder, whoever started them. $1 narrows it.
working() { pgrep -f "$NET/${1:-}"; }
none_works() { ! working "${1:-}"; }
# All but the node: its folder is the only one with this letter.
NOT_NODE='[^n]'
# Ends what works there, within $1 seconds in order.
end_all() {
	pkill -TERM -f "$NET/${2:-}" || return 0
	within "$1" none_works "${2:-}" && return
	pkill -KILL -f "$NET/${2:-}"
	within 10 none_works "${2:-}"
}

network_end() {
	local status=$? pid i
	trap - EXIT
	set +e
	trap '' INT TERM HUP
	exec 2>&"$NET_STDERR"
	# A chain that was halted on purpose: what follows needs it.
	alive "$NODE_PID" && kill -CONT "$NODE_PID"
	if alive "$SUBMIT_PID"; then
		step "ending the leases"
		# A deposit that waits for its time lock is not waited for: the chain ends too.
		stop "$SUBMIT_PID" INT 20
	fi
	# Orders of other folders, and in the background: SIGTERM would leave their leases as they are.
	if pkill -INT -f "^$CLI_BIN .*$NET/"; then within 20 no_order_runs; fi
	# Agents, too: SIGTERM would leave their machines to a next start.
	pkill -INT -f "^$AGENT_BIN run .*$NET/"
	# Together with what was started in a shell of its own. The chain lives on meanwhile.
	end_all "$AGENT_PATIENCE" "$NOT_NODE"
	stop "$NODE_PID" TERM 10
	# What a signal left between its start and the note of it: in this shell, and elsewhere.
	for pid in $(jobs -p); do stop "$pid" TERM 10; done
	end_all 10
	for i in "${!PROVIDER_ADDRESS[@]}"; do remove_rests "$i"; done
	if [ "$status" -ne 0 ] && [ "$status" -lt 128 ] && [ -n "${ZENNET_KEEP_LOGS:-}" ]; then
		say "logs are kept in $NET"
	else
		rm -rf --one-file-system "$NET"
	fi
	exit "$status"
}

no_order_runs() { ! pgrep -f "^$CLI_BIN .*$NET/"; }

# Removes what an agent left that was not let end in order.
remove_rests() {
	local found
	found=$(agent "$1" sweep --force --json 2>/dev/null) || return 0
	jq -e '.machines > 0 or .network' <<<"$found" >/dev/null && warn "provider $1 did not remove: $found"
}

# ---- what can be seen of networks ----

KINDS=(process container network mount loop rule folder)
# One line for each thing of these kinds, or of all kinds, that a network on this system has.
traces() {
	local kind
	[ $# -gt 0 ] || set -- "${KINDS[@]}"
	for kind in "$@"; do { "list_$kind" || true; } | sed "s/^/$kind /"; done | sort
}
list_process() {
	pgrep -fa "^($NODE_BIN|$AGENT_BIN|$CLI_BIN) |/zennet-[[:alnum:]]{6}/|scripts/demo|/programs/primes" | cut -d ' ' -f 2-
}
list_container() { docker ps -a --no-trunc --filter label=zennet.run --format '{{.ID}} {{.Names}}'; }
list_network() { docker network ls --no-trunc --filter label=zennet.network --format '{{.ID}} {{.Name}}'; }
list_mount() { findmnt -rno TARGET,SOURCE | grep -E '/zennet-[[:alnum:]]{6}/| /dev/loop'; }
list_loop() { losetup -nlO NAME,BACK-FILE; }
list_rule() {
	local family
	for family in iptables ip6tables; do
		have "$family" && as_root "$family" -w 5 -S 2>/dev/null | grep 'ZENNET-' | sed "s/^/$family /"
	done
}
list_folder() { compgen -G "${TMPDIR:-/tmp}/zennet-??????"; }
# What is there besides what the file $1 holds of it.
traces_since() {
	local before=$1 now
	shift
	# Before the comparison, which would be among them.
	now=$(traces "$@")
	comm -13 "$before" - <<<"$now"
}
no_traces_since() { [ -z "$(traces_since "$@")" ]; }

# ---- claims ----

only=() passed=0 failed=0 skipped=0
is_asked_for() { [ ${#only[@]} = 0 ] || [[ " ${only[*]} " == *" $1 "* ]]; }
# Runs a claim in a shell of its own, so that one that dies does not end the rest.
claim() {
	local name=$1 began=$SECONDS
	is_asked_for "$name" || return 0
	# Outside of any condition, where bash would ignore `set -e`.
	( trap - EXIT; set -e; "$name" )
	if [ $? = 0 ]; then
		passed=$((passed + 1))
		printf 'ok %s (%s s)\n' "$name" "$((SECONDS - began))"
	else
		failed=$((failed + 1))
		printf 'FAIL %s\n' "$name"
	fi
}
wrong() { say "   $*"; return 1; }
skip() {
	is_asked_for "$1" || return 0
	skipped=$((skipped + 1))
	printf 'skip %s (%s)\n' "$1" "$2"
}
claims_end() {
	printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
	[ "$failed" = 0 ]
}

# The end of a log, for an error.
fail_with_log() {
	tail -n 25 "$2" >&2
	die "$1"
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Asks the node by JSON-RPC; $1 is the method, $2 the parameters.
rpc() {
	curl -sf -m 10 -H 'Content-Type: application/json' "http://127.0.0.1:$RPC_PORT" \
		-d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":${2:-[]}}"
}
chain_moves() { rpc chain_getHeader | jq -e '.result.number != "0x0"'; }

start_chain() {
	[ -z "${ZENNET_NODE_URL:-}" ] || { use_chain "$ZENNET_NODE_URL"; return; }
	step "starting a chain"
	RPC_PORT=$(free_port)
	NODE_URL="ws://127.0.0.1:$RPC_PORT"
	export RPC_PORT NODE_URL
	local figures=(--no-prometheus)
	[ -z "${PROMETHEUS_PORT:-}" ] || figures=(--prometheus-port "$PROMETHEUS_PORT")
	NODE_COMMAND=("$NODE_BIN" --chain "${CHAIN_SPEC:-dev}" --alice --validator --force-authoring
		--base-path "$NET/node" --rpc-port "$RPC_PORT" --port "${P2P_PORT:-0}" "${figures[@]}"
		--no-telemetry --no-mdns --rpc-max-connections 1000 --unsafe-force-node-key-generation
		--state-pruning "${CHAIN_KEEPS:-archive}" --blocks-pruning "${CHAIN_KEEPS:-archive}")
	start "$NET/node.log" "${NODE_COMMAND[@]}"
	NODE_PID=$started
	within "${CHAIN_PATIENCE:-60}" chain_moves ||
		fail_with_log "the chain makes no blocks" "$NET/node.log"
}

# A chain that somebody else has started, and that stays.
use_chain() {
	[[ $1 =~ ^ws://127\.0\.0\.1:([0-9]{1,5})/?$ ]] ||
		die "ZENNET_NODE_URL is $1; what is wanted is a node on this machine: ws://127.0.0.1:PORT"
	step "using the chain at $1"
	RPC_PORT=${BASH_REMATCH[1]}
	NODE_URL=$1
	export RPC_PORT NODE_URL
	within 20 chain_moves || die "no chain with blocks answers at $1; scripts/testnet up starts one"
}

cli() { "$CLI_BIN" --dir "$NET/${WHO:-publisher}" "$@"; }
agent() { local i=$1; shift; "$AGENT_BIN" "$@" --config "$NET/provider-$i/provider.toml"; }

# Coin for an account, from the development chain's first one.
fund() {
	[ -d "$NET/bank" ] || WHO=bank cli init --node "$NODE_URL" --suri //Alice >/dev/null 2>&1
	WHO=bank cli account transfer "$1" "$2" >/dev/null 2>>"$NET/bank.log" ||
		fail_with_log "cannot fund $1" "$NET/bank.log"
}

provider_runs() { agent "$1" status --json 2>/dev/null | jq -e .running >/dev/null; }

start_agent() {
	start "$NET/provider-$1.log" env RUST_LOG="${RUST_LOG:-info}" \
		"$AGENT_BIN" run --config "$NET/provider-$1/provider.toml"
	AGENT_PIDS[$1]=$started
}

# Providers number 1 to COUNT. Each has an account of its own. $2 is called with each one's number
# before it starts.
start_providers() {
	local i
	step "starting $1 providers"
	for i in $(seq 1 "$1"); do
		PROVIDER_ADDRESS[$i]=$("$AGENT_BIN" init --dir "$NET/provider-$i" --node "$NODE_URL" --dev 2>>"$NET/provider-$i.log") ||
			fail_with_log "provider $i cannot be initialised" "$NET/provider-$i.log"
		# What is broken here on purpose is nobody's fault.
		sed -i -e "s/^reconnect_secs = [0-9]*/reconnect_secs = ${RECONNECT_SECS:-600}/" \
			-e 's/^max_faults = [0-9]*/max_faults = 1000000/' "$NET/provider-$i/provider.toml"
		fund "${PROVIDER_ADDRESS[$i]}" 10
		if [ -n "${2:-}" ]; then "$2" "$i"; fi
		start_agent "$i"
	done
	PROVIDERS=$1
	for i in $(seq 1 "$1"); do
		within 90 provider_is_ready "$i" || fail_with_log "provider $i does not run" "$NET/provider-$i.log"
	done
}

provider_is_ready() { grep -q 'waiting for announcements' "$NET/provider-$1.log" && provider_runs "$1"; }

start_stand_ins() {
	step "starting providers without machines"
	: >"$NET/load.log"
	# Each connection is an open file.
	start "$NET/load.log" bash -c 'ulimit -n "$(ulimit -Hn)"; exec "$@"' load \
		"$CARGO_TARGET_DIR/release/bench-load" --node "$NODE_URL" "$@"
	LOAD_PID=$started
	within 300 stand_ins_are_ready_or_over
	grep -q '^ready$' "$NET/load.log" || fail_with_log "the providers do not run" "$NET/load.log"
}
stand_ins_are_ready_or_over() { grep -q '^ready$' "$NET/load.log" || dead "$LOAD_PID"; }

start_publisher() {
	step "making a publisher"
	cli init --node "$NODE_URL" --listen /ip4/127.0.0.1/tcp/0 --allow-private-endpoint \
		--ssh-port-base "$(free_port)" >/dev/null 2>"$NET/publisher.log" ||
		fail_with_log "the publisher cannot be initialised" "$NET/publisher.log"
	PUBLISHER_ADDRESS=$(cli --json account address | jq -r .address)
	fund "$PUBLISHER_ADDRESS" 1000
	cli identity mine >/dev/null 2>>"$NET/publisher.log" ||
		fail_with_log "the publisher's identity is not mined" "$NET/publisher.log"
}

# Seconds until the order's machine $1 lets somebody in; looked for from its ready event on, $2 seconds
# at most. Nobody else's machine is waited for.
first_login_secs() {
	within "$2" machine_is_ready "$1" && within 20 logs_in "$1" || return
	awk -v began="$ORDER_BEGAN" -v now="$(date +%s.%N)" 'BEGIN { printf "%.3f\n", now - began }'
}
machine_is_ready() { grep -qF "\"event\":\"ready\",\"machine\":\"$1\"" "$NET/events"; }
logs_in() { ssh -F "$NET/ssh_config" -o BatchMode=yes -o ConnectTimeout=10 "$1" true </dev/null; }

# Events of the current order, by name.
events() { jq -c "select(.event == \"$1\")" "$NET/events"; }
event_count() { [ "$(events "$1" | wc -l)" -ge "$2" ]; }
order_is_complete_or_over() { event_count complete 1 || dead "$SUBMIT_PID"; }

submit() { order_with submit --ssh-config "$NET/ssh_config" "$@"; }
resume() { order_with resume; }
order_with() {
	: >"$NET/events"
	ORDER_BEGAN=$(date +%s.%N)
	# A shell has what it starts in the background ignore Ctrl-C until it says otherwise itself.
	setsid env --default-signal=INT "$CLI_BIN" --dir "$NET/publisher" --json "$@" \
		</dev/null >>"$NET/events" 2>>"$NET/publisher.log" {NET_STDERR}>&- &
	SUBMIT_PID=$!
}

wait_complete() {
	within "${1:-120}" order_is_complete_or_over
	event_count complete 1 || fail_with_log "the machines did not become ready" "$NET/publisher.log"
}

end_order() {
	local status
	kill -INT "$SUBMIT_PID"
	within 120 dead "$SUBMIT_PID" || fail_with_log "the leases did not end" "$NET/publisher.log"
	wait "$SUBMIT_PID"
	status=$?
	SUBMIT_PID=''
	[ "$status" = 0 ] || fail_with_log "the order ended with status $status" "$NET/publisher.log"
}

total_of() { cli --json account balance "$1" | jq '.free + .held'; }

# Whether the sum over all accounts is the whole supply: prints true or false.
supply_is_whole() {
	python3 "$ZENNET_ROOT/scripts/supply.py" "http://127.0.0.1:$RPC_PORT"
}
