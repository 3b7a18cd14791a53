# shellcheck shell=bash
# Sourced after lib.sh: Debian packages as a source of files, through apt's configured sources.
# Nothing is installed on this system.

# Names of the packages $@ and of all that these depend on.
deb_closure() {
	apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
		--no-replaces --no-enhances "$@" | grep -E '^[a-z0-9]' | sed 's/:.*//' | sort -u
}

# Whether apt's lists know the package $1.
deb_known() { [ -n "$(apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \([^(].*\)/\1/p')" ]; }

# Fetches apt's lists when these do not know the package $1.
deb_lists_for() {
	deb_known "$1" && return
	as_root apt-get -qq update >&2 || die "apt-get update failed; $1 is wanted from apt's sources"
	deb_known "$1" || die "apt's sources have no package $1; add Debian's main archive to them"
}

# Unpacks the packages named on stdin into the folder $1, whose links (a merged /usr) are kept.
deb_unpack() {
	local into=$1 work deb
	local -a names
	mapfile -t names
	work=$(mktemp -d)
	(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "${names[@]}" >&2) ||
		{ rm -rf "$work"; die "apt-get download failed for: ${names[*]}"; }
	for deb in "$work"/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x --no-same-owner --keep-directory-symlink -C "$into" || die "unpacking ${deb##*/} failed"
	done
	rm -rf "$work"
}
