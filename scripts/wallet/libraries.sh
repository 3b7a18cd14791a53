# shellcheck shell=bash
# Sourced after lib.sh: the stock wallet libraries, as the lock file beside this names them.
#
#   may_use_wallets         whether there is what runs them: npm, and node from version 20 on
#   need_wallet_libraries   fetches them once, into the folder $WALLET_LIBRARIES

export WALLET_LIBRARIES="$ZENNET_CACHE/wallet"

may_use_wallets() {
	have npm && have node && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'
}

need_wallet_libraries() {
	local source="$ZENNET_ROOT/scripts/wallet" digest
	may_use_wallets || die "npm, and node from version 20 on, are needed for the wallet libraries"
	digest=$(digest_of "$source"/package.json "$source"/package-lock.json)
	mkdir -p "$WALLET_LIBRARIES"
	[ "$(cat "$WALLET_LIBRARIES/.libraries" 2>/dev/null)" != "$digest" ] || return 0
	step "fetching the wallet libraries"
	cp "$source"/package.json "$source"/package-lock.json "$WALLET_LIBRARIES/"
	(cd "$WALLET_LIBRARIES" && npm ci --no-audit --no-fund --ignore-scripts --silent) >&2 ||
		die "the wallet libraries cannot be fetched"
	printf '%s\n' "$digest" >"$WALLET_LIBRARIES/.libraries"
}
