# shellcheck shell=bash
# Sourced by scripts/bench: transactions on real chains.

# Accounts that send, and transactions of each kind where the cost at a size of the state is asked for.
SENDERS=2000 FEW=2000
# Announcements and channels that stand, one run each.
SIZES=(1000 10000 100000 1000000)

# The specification of the chain $2 with accounts that send, and with $1 announcements and channels.
make_spec() {
	CHAIN_SPEC=$NET/spec.json
	"$NODE_BIN" export-chain-spec --chain "$2" --raw 2>/dev/null |
		"$CARGO_TARGET_DIR/release/bench-chain" genesis --accounts "$SENDERS" \
			--announcements "$1" --channels "$1" >"$CHAIN_SPEC"
}

# The others of a local network, which find the first at the address $1.
start_others() {
	local name port
	for name in bob charlie dave; do
		port=$(free_port)
		start "$NET/$name.log" "$NODE_BIN" --chain "$CHAIN_SPEC" "--$name" --validator \
			--base-path "$NET/node-$name" --rpc-port "$port" --port 0 --no-prometheus \
			--no-telemetry --no-mdns --unsafe-force-node-key-generation \
			--rpc-max-connections 1000 --bootnodes "$1"
		NODE_URLS+=",ws://127.0.0.1:$port"
	done
}

start_bench_chain() {
	NODE_URLS=''
	unset ZENNET_NODE_URL
	PROMETHEUS_PORT=$(free_port)
	if [ "$nodes" = 1 ]; then
		make_spec "$1" dev
		CHAIN_PATIENCE=600 CHAIN_KEEPS=256 start_chain
		return
	fi
	[ "$nodes" = 4 ] || die "--nodes is 1 or 4"
	make_spec "$1" local
	P2P_PORT=$(free_port)
	CHAIN_KEEPS=256 start_chain
	start_others "/ip4/127.0.0.1/tcp/$P2P_PORT/p2p/$(rpc system_localPeerId | jq -r .result)"
	peers_are_there() { [ "$(rpc system_health | jq .result.peers)" = 3 ]; }
	within 60 peers_are_there || fail_with_log "the nodes do not meet" "$NET/node.log"
}

# Measures on the chain that runs; its one object goes to stdout.
measure() {
	local size=$1
	shift
	"$CARGO_TARGET_DIR/release/bench-chain" rates --node "$NODE_URL$NODE_URLS" --pid "$NODE_PID" \
		--prometheus "$PROMETHEUS_PORT" --accounts "$SENDERS" --standing "$size" \
		--owners "$(((size + 31) / 32))" ${kinds:+--kinds "$kinds"} "$@"
}

bench_chain() {
	local result
	network_begin
	if [ -n "$grow" ]; then
		bench_growth
		return
	fi
	start_bench_chain "$standing"
	step "measuring each kind for $secs s"
	result=$(measure "$standing" --secs "$secs")
	jq -r '"                   done/s  final/s  of transfers  build us  node us  block s p95",
		(.transfer_per_sec as $t | .kinds | to_entries[] | .value as $v
			| "\(.key)\("                  "[(.key | length):]) \($v.per_sec)  \($v.final_per_sec)  \(
				$v.per_sec / ($t // $v.per_sec) * 100 | round / 100)  \(
				$v.build_micros_per_transaction)  \($v.node_cpu_micros_per_transaction)  \($v.block_secs.p95)"),
		"finality           \(.finality_secs.p50) s, p95 \(.finality_secs.p95) s, worst \(.finality_secs.max) s",
		"blocks             every \(.block_secs.p50) s, p95 \(.block_secs.p95) s, worst \(.block_secs.max) s",
		"memory of the node \(.node_peak_rss_mib) MiB at most"' <<<"$result"
	[ -z "$json" ] || printf '%s\n' "$result"
}

# What a transaction costs at each size of the state, of so few that the size stays what it is.
bench_growth() {
	local size results=$NET/results result
	kinds=${kinds:-transfer,announce,open,claim,close}
	for size in "${SIZES[@]}"; do
		step "a chain with $size announcements and $size channels"
		start_bench_chain "$size"
		measure "$size" --count "$FEW" | jq -c --argjson size "$size" '. + {standing: $size}' >>"$results"
		stop "$NODE_PID" TERM 30
		rm -rf --one-file-system "$NET/node"
	done
	result=$(jq -sc '
		def costs: .kinds | map_values({build_micros: .build_micros_per_transaction,
			node_micros: .node_cpu_micros_per_transaction});
		{sizes: map({standing, node_peak_rss_mib, costs: costs}),
			ratio: (.[0].kinds as $few | .[-1].kinds | with_entries(.key as $kind | .value |=
				(.build_micros_per_transaction / $few[$kind].build_micros_per_transaction * 100
					| round / 100)))}' "$results")
	jq -r '"standing  us of building a transaction, by kind; memory of the node",
		(.sizes[] | "\(.standing)  \(.costs | to_entries | map("\(.key) \(.value.build_micros)") | join("  "))  \(
			.node_peak_rss_mib) MiB"),
		"most against fewest  \(.ratio | to_entries | map("\(.key) \(.value)") | join("  "))"' <<<"$result"
	[ -z "$json" ] || printf '%s\n' "$result"
}
