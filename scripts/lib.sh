# shellcheck shell=bash
# Sourced by every script here: where things are kept, which toolchain is used, small helpers.
# Data goes to stdout, everything said to a person goes to stderr.

ZENNET_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
ZENNET_CACHE="${ZENNET_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/zennet}"
ZENNET_BUNDLE="$ZENNET_CACHE/bundle"
# One target folder outside the checkout, so that clones share what is dear to build.
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$ZENNET_CACHE/target}"
# The system's libssl: building OpenSSL anew costs minutes.
OPENSSL_NO_VENDOR=1
# The lock file of this checkout holds for the runtime's wasm too.
WASM_BUILD_WORKSPACE_HINT="$ZENNET_ROOT"
export ZENNET_ROOT ZENNET_CACHE ZENNET_BUNDLE CARGO_TARGET_DIR OPENSSL_NO_VENDOR WASM_BUILD_WORKSPACE_HINT
WASM_TARGET=wasm32v1-none
# No script leaves anything in the checkout.
export PYTHONDONTWRITEBYTECODE=1

say() { printf '%s\n' "$*" >&2; }
step() { printf '== %s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command with root's rights; never asks for a password.
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"
	elif have sudo; then sudo -n "$@"
	else return 126
	fi
}
can_be_root() { [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }

# Whether the compiler $1 holds the libraries of the runtime's target.
rustc_has_wasm() {
	local dir
	dir=$("$1" --print target-libdir --target "$WASM_TARGET" 2>/dev/null) || return 1
	compgen -G "$dir/libcore-*.rlib" >/dev/null
}

# Whether the compiler $1 is at least the workspace's rust-version.
rustc_is_recent() {
	local want found
	want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ZENNET_ROOT/Cargo.toml")
	found=$("$1" --version 2>/dev/null | awk '{print $2}') || return 1
	[ -n "$found" ] && [ "$(printf '%s\n%s\n' "$want" "$found" | sort -V | head -n 1)" = "$want" ]
}

# Puts a toolchain that can build the runtime first on PATH; fails when there is none yet.
choose_toolchain() {
	if [ -d "$HOME/.cargo/bin" ] && ! have cargo; then PATH="$PATH:$HOME/.cargo/bin"; fi
	if have cargo && have rustc && rustc_has_wasm rustc && rustc_is_recent rustc; then
		export PATH
	elif [ -x /usr/bin/cargo ] && rustc_has_wasm /usr/bin/rustc && rustc_is_recent /usr/bin/rustc; then
		PATH="/usr/bin:$PATH"
		RUSTC=/usr/bin/rustc
		export PATH RUSTC
	else
		return 1
	fi
}

need_toolchain() { choose_toolchain || die "no Rust toolchain with the $WASM_TARGET target; run scripts/setup"; }

# A digest of files and words: what a thing is built from.
digest_of() { cat -- "$@" | sha256sum | cut -c 1-32; }

# The guest is linked statically in whatever build it is part of; see that file.
static_guest="$ZENNET_ROOT/scripts/rustc-static-guest"
if [ "${RUSTC_WRAPPER:-$static_guest}" != "$static_guest" ]; then
	export ZENNET_NEXT_WRAPPER="$RUSTC_WRAPPER"
fi
export RUSTC_WRAPPER="$static_guest"

# Builds with cargo in release mode, `$@` says what (`--workspace`), the guest among it, and puts
# the guest into the bundle. One build of all shares the most: alone, the guest's crates have
# other features and are compiled once more.
build_all() {
	need_toolchain
	local built="$CARGO_TARGET_DIR/release/zennet-guest"
	[ -d "$ZENNET_BUNDLE" ] || die "no OpenSSH bundle at $ZENNET_BUNDLE; run scripts/setup"
	(cd "$ZENNET_ROOT" && cargo build --release --locked "$@") >&2 || die "the build failed"
	# The name of a loader stands at the head of a program that is not static. Such a one is from
	# a build by hand, which cargo takes for the same.
	if head -c 4096 "$built" | grep -qa 'ld-linux'; then
		touch "$ZENNET_ROOT/crates/guest/src/main.rs"
		(cd "$ZENNET_ROOT" && cargo build --release --locked "$@") >&2 || die "the build failed"
	fi
	cmp -s "$built" "$ZENNET_BUNDLE/guest" && return
	# Renamed into place: machines that run keep the file that they have open.
	install -m 755 "$built" "$ZENNET_BUNDLE/.guest.$$"
	mv -f "$ZENNET_BUNDLE/.guest.$$" "$ZENNET_BUNDLE/guest"
}

# Builds the guest alone into the bundle.
build_guest() { build_all -p zennet-guest "$@"; }

# Compiles the runtime to wasm once more, with the features "${@:2}" (as cargo names them), in a folder
# of its own, $1, within the target folder; prints the path of the result. Cargo has made the
# runtime's build script already; run once more, it leaves alone what the programs are built from.
build_wasm() {
	local folder="$CARGO_TARGET_DIR/$1" script='' found feature
	local features=(CARGO_FEATURE_STD=1)
	for feature in "${@:2}"; do
		feature=${feature^^}
		features+=("CARGO_FEATURE_${feature//-/_}=1")
	done
	for found in "$CARGO_TARGET_DIR"/release/build/zennet-runtime-*/build-script-build; do
		if [ -z "$script" ] || [ "$found" -nt "$script" ]; then script=$found; fi
	done
	[ -x "$script" ] || die "the runtime's build script is not built"
	need_toolchain
	local out="$folder/release/build/zennet-runtime/out"
	mkdir -p "$out"
	(cd "$ZENNET_ROOT/runtime" && env -u SKIP_WASM_BUILD CARGO="$(type -P cargo)" OUT_DIR="$out" \
		CARGO_MANIFEST_DIR="$PWD" CARGO_PKG_NAME=zennet-runtime "${features[@]}" "$script") >/dev/null ||
		die "the runtime is not built with ${*:2}"
	printf '%s\n' "$folder/release/wbuild/zennet-runtime/zennet_runtime.compact.compressed.wasm"
}
