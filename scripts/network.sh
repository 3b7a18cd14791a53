# shellcheck shell=bash
# Sourced after lib.sh: a chain, providers and a publisher on this machine, in a folder of their own.
#
#   network_begin            makes the folder, and has everything ended and removed at exit
#   start_chain              a development chain with one bookkeeper
#   start_providers COUNT    agents with funded accounts and mined identities
#   start_publisher          a funded account with a mined identity
#   submit ARGUMENT...       an order in the background; its events go to $NET/events
#   resume                   goes on with the machines of an order that was killed
#   end_order                Ctrl-C to the order; waits until it is settled

NODE_BIN="$CARGO_TARGET_DIR/release/zennet-node"
AGENT_BIN="$CARGO_TARGET_DIR/release/provider-agent"
CLI_BIN="$CARGO_TARGET_DIR/release/publisher-cli"
NET='' NODE_PID='' SUBMIT_PID='' AGENT_PIDS=() PROVIDERS=0 PROVIDER_ADDRESS=()

network_begin() {
	NET=$(mktemp -d "${TMPDIR:-/tmp}/zennet-XXXXXX")
	trap network_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# Runs a program in a session of its own, so that Ctrl-C reaches this script alone, which then ends
# the parts in their order. Its process id is left in $started.
start() {
	local log=$1
	shift
	setsid "$@" </dev/null >>"$log" 2>&1 &
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

none_runs() { ! pgrep -f "$NET/p"; }

network_end() {
	local status=$? pid
	trap - EXIT
	set +e
	trap '' INT TERM HUP
	if alive "$SUBMIT_PID"; then
		step "ending the leases"
		# A deposit that waits for its time lock is not waited for: the chain ends too.
		stop "$SUBMIT_PID" INT 20
	fi
	for pid in "${AGENT_PIDS[@]}"; do alive "$pid" && kill -TERM "$pid"; done
	for pid in "${AGENT_PIDS[@]}"; do stop "$pid" TERM 30; done
	# What was started in a shell of its own.
	if pkill -TERM -f "$NET/p"; then within 30 none_runs || pkill -KILL -f "$NET/p"; fi
	stop "$NODE_PID" TERM 10
	if [ "$status" -ne 0 ] && [ "$status" -lt 128 ] && [ -n "${ZENNET_KEEP_LOGS:-}" ]; then
		say "logs are kept in $NET"
	else
		rm -rf "$NET"
	fi
	exit "$status"
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
	step "starting a chain"
	RPC_PORT=$(free_port)
	NODE_URL="ws://127.0.0.1:$RPC_PORT"
	export RPC_PORT NODE_URL
	NODE_COMMAND=("$NODE_BIN" --chain dev --alice --validator --force-authoring
		--base-path "$NET/node" --rpc-port "$RPC_PORT" --port 0 --no-prometheus --no-telemetry
		--no-mdns --rpc-max-connections 1000 --unsafe-force-node-key-generation)
	start "$NET/node.log" "${NODE_COMMAND[@]}"
	NODE_PID=$started
	within 60 chain_moves || fail_with_log "the chain makes no blocks" "$NET/node.log"
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

# Events of the current order, by name.
events() { jq -c "select(.event == \"$1\")" "$NET/events"; }
event_count() { [ "$(events "$1" | wc -l)" -ge "$2" ]; }
order_is_complete_or_over() { event_count complete 1 || dead "$SUBMIT_PID"; }

submit() { order_with submit --ssh-config "$NET/ssh_config" "$@"; }
resume() { order_with resume; }
order_with() {
	: >"$NET/events"
	setsid "$CLI_BIN" --dir "$NET/publisher" --json "$@" \
		</dev/null >>"$NET/events" 2>>"$NET/publisher.log" &
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
