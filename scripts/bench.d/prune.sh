# shellcheck shell=bash
# Sourced by scripts/bench: what announcements leave behind that expired.

# Bodies of blocks and states that the nodes keep, and blocks after which what is older is gone.
KEPT=64 GONE_AFTER=80

# Bytes that the files of a database take.
disk_bytes() { du -sB1 "$1" | cut -f 1; }
database() { echo "$1"/chains/*/paritydb/full; }
height_at() { RPC_PORT=$1 block_number; }
is_at() { [ "$(height_at "$1")" -ge "$2" ]; }

bench_prune() {
	local count=$machines accounts=3000 twin_port result last full compact
	network_begin
	unset ZENNET_NODE_URL
	PROMETHEUS_PORT=$(free_port)
	CHAIN_SPEC=$NET/spec.json
	"$NODE_BIN" export-chain-spec --chain dev --raw 2>/dev/null |
		"$CARGO_TARGET_DIR/release/bench-chain" genesis --accounts "$accounts" >"$CHAIN_SPEC"
	CHAIN_KEEPS=$KEPT start_chain
	step "starting the same chain without announcements"
	twin_port=$(free_port)
	start "$NET/twin.log" "$NODE_BIN" --chain "$CHAIN_SPEC" --alice --validator --force-authoring \
		--base-path "$NET/node-twin" --rpc-port "$twin_port" --port 0 --no-prometheus \
		--no-telemetry --no-mdns --unsafe-force-node-key-generation \
		--state-pruning "$KEPT" --blocks-pruning "$KEPT"
	TWIN_PID=$started
	step "announcing $count times, and waiting until all have expired"
	"$CARGO_TARGET_DIR/release/bench-chain" prune --node "$NODE_URL" --pid "$NODE_PID" \
		--prometheus "$PROMETHEUS_PORT" --accounts "$accounts" --count "$count" >"$NET/announced"
	last=$(($(jq .last_block "$NET/announced") + GONE_AFTER))
	step "waiting until bodies and states of that time are gone, at block $last"
	within 400 is_at "$RPC_PORT" "$last" || fail_with_log "the chain stands" "$NET/node.log"
	stop "$NODE_PID" TERM 30
	within 400 is_at "$twin_port" "$last" || fail_with_log "the other chain stands" "$NET/twin.log"
	stop "$TWIN_PID" TERM 30
	full=$(database "$NET/node") twin=$(database "$NET/node-twin")
	step "compacting copies of both databases"
	"$CARGO_TARGET_DIR/release/bench-chain" compact "$full" "$NET/compact"
	"$CARGO_TARGET_DIR/release/bench-chain" compact "$twin" "$NET/compact-twin"
	result=$(jq -c --argjson disk "$(disk_bytes "$full")" --argjson twin "$(disk_bytes "$twin")" \
		--argjson compact "$(disk_bytes "$NET/compact")" \
		--argjson compact_twin "$(disk_bytes "$NET/compact-twin")" '
		def mib: . / 1048576 * 10 | round / 10;
		def times(of): . / of * 1000 | round / 1000;
		. + {disk_mib: ($disk | mib), empty_disk_mib: ($twin | mib),
			disk_ratio: ($disk | times($twin)),
			compact_disk_mib: ($compact | mib), empty_compact_disk_mib: ($compact_twin | mib),
			compact_disk_ratio: ($compact | times($compact_twin))}' "$NET/announced")
	jq -r '"announced, expired     \(.announced), \(.expired) in blocks \(.first_block) to \(.last_block)",
		"keys before, after     \(.keys_before), \(.keys_after)",
		"values that are equal  \(.equal)",
		"changed by any block   \(.changed | to_entries | map("\(.key) (\(.value))") | join(", "))",
		"accounts that paid     \(.accounts_that_paid), \(.fees) units of fees",
		"worst block, ms        \(.quiet_worst_build_millis) empty, \(.announcing_worst_build_millis
			) announcing, \(.expiring_worst_build_millis) expiring",
		"disk after pruning     \(.compact_disk_mib) MiB, \(.compact_disk_ratio) of as many empty blocks",
		"files as they are      \(.disk_mib) MiB, \(.disk_ratio) of as many empty blocks"' <<<"$result"
	[ -z "$json" ] || printf '%s\n' "$result"
}
