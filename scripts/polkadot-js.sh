# shellcheck shell=bash
# Sourced after lib.sh: the stock wallet library for scripts that send transactions.
#
#   need_polkadot_js   fetches it once; programs find it in the folder $POLKADOT_JS

POLKADOT_API=@polkadot/api@16.5.6
export POLKADOT_JS="$ZENNET_CACHE/polkadot-js"

need_polkadot_js() {
	have node && have npm || die "node and npm are needed for the wallet library"
	[ "$(cat "$POLKADOT_JS/.library" 2>/dev/null)" != "$POLKADOT_API" ] || return 0
	step "fetching $POLKADOT_API"
	rm -rf "$POLKADOT_JS"
	mkdir -p "$POLKADOT_JS"
	(cd "$POLKADOT_JS" && echo '{"private":true}' >package.json &&
		npm install --no-audit --no-fund --no-package-lock --silent "$POLKADOT_API") >&2 ||
		die "the wallet library cannot be fetched"
	printf '%s\n' "$POLKADOT_API" >"$POLKADOT_JS/.library"
}
