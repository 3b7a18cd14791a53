# shellcheck shell=bash
# Sourced by scripts/bench: settlements while others fill the blocks.

# How long blocks are filled, seconds; what each transaction in them tips, in the smallest coin unit.
FILLED=45 TIP=100

# The first provider offers no tips. Memory is dear, so that both channels bring more than their fees.
first_without_tips() {
	sed -i 's/^memory_gib_hour = [^ ]*/memory_gib_hour = "10"/' "$NET/provider-$1/provider.toml"
	[ "$1" = 2 ] || sed -i 's/^tip_percent = .*/tip_percent = 0/' "$NET/provider-$1/provider.toml"
}
signed_in_best() { rpc chain_getBlock | jq '.result.block.extrinsics | length'; }
blocks_are_full() { [ "$(signed_in_best)" -gt 1000 ]; }
both_have_vouchers() { cli --json usage | jq -e 'all(.machines[]; .vouchers >= 5)' >/dev/null; }
is_settled() {
	events settled | jq -se --arg provider "${PROVIDER_ADDRESS[$1]}" 'any(.provider == $provider)' >/dev/null
}

bench_outbid() {
	local asked result i secs=('' '' '')
	network_begin
	unset ZENNET_NODE_URL
	PROMETHEUS_PORT=$(free_port)
	make_spec 0 dev
	start_chain
	start_providers 2 first_without_tips
	start_publisher
	step "renting a machine of each"
	submit -n 2 -m 128M --per-provider 1
	wait_complete 120
	within 60 both_have_vouchers || die "the publisher does not pay; see $NET/publisher.log"
	step "filling blocks for $FILLED s with transactions that tip $TIP units"
	"$CARGO_TARGET_DIR/release/bench-chain" rates --node "$NODE_URL" --pid "$NODE_PID" \
		--prometheus "$PROMETHEUS_PORT" --accounts "$SENDERS" --kinds transfer --secs "$FILLED" \
		--tip "$TIP" >"$NET/filled" 2>>"$NET/bench.log" &
	FILLING_PID=$!
	within 60 blocks_are_full || fail_with_log "blocks are not full" "$NET/bench.log"
	step "ending the leases"
	asked=$(date +%s.%N)
	kill -INT "$SUBMIT_PID"
	while [ -z "${secs[1]}" ] || [ -z "${secs[2]}" ]; do
		for i in 1 2; do
			[ -n "${secs[$i]}" ] || ! is_settled "$i" || secs[i]=$(jq -n "$(date +%s.%N) - $asked | . * 10 | round / 10")
		done
		alive "$SUBMIT_PID" || { is_settled 1 && is_settled 2; } ||
			fail_with_log "the leases are not settled" "$NET/publisher.log"
		sleep 0.1
	done
	within 60 dead "$SUBMIT_PID" || fail_with_log "the order does not end" "$NET/publisher.log"
	wait "$FILLING_PID" || fail_with_log "blocks were not filled to the end" "$NET/bench.log"
	result=$(jq -nc --argjson without "${secs[1]}" --argjson with "${secs[2]}" \
		--argjson filled "$FILLED" --argjson tip "$TIP" --slurpfile rates "$NET/filled" \
		--slurpfile settled <(events settled) --argjson whole "$(supply_is_whole)" '
		{filled_secs: $filled, tip: $tip, transfers_per_sec: $rates[0].transfer_per_sec,
			settled_secs: {without_tips: $without, with_tips: $with},
			paid: [$settled[].paid], usage_agreed: ($settled | all(.agreed)), supply_conserved: $whole}')
	jq -e '.settled_secs | .with_tips < .without_tips' <<<"$result" >/dev/null ||
		die "tips did not help: $result"
	jq -r '"blocks filled         for \(.filled_secs) s, \(.transfers_per_sec) transfers/s that tip \(.tip) units",
		"settled without tips  after \(.settled_secs.without_tips) s",
		"settled with tips     after \(.settled_secs.with_tips) s"' <<<"$result"
	[ -z "$json" ] || printf '%s\n' "$result"
}
