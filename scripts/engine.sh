# shellcheck shell=bash
# Sourced after network.sh, in a network namespace of one's own: a container engine that nothing else on
# this system uses, so that it may be killed.
#
#   engine_begin   starts it with this system's images; docker and the agents use it from then on
#   engine_end     ends it and removes all that is its

ENGINE=''

engine_begin() {
	local images=(zennet-os:latest zennet-busybox:latest)
	step "starting a container engine"
	# Not in $NET: it must outlive what ends there.
	ENGINE=$(mktemp -u -d "${TMPDIR:-/tmp}/zennet-engine-XXXXXX")
	export ENGINE
	mkdir -m 700 "$ENGINE"
	docker save -o "$ENGINE/images" "${images[@]}"
	export DOCKER_HOST="unix://$ENGINE/engine.sock"
	# The bridge that it makes by itself is used by nobody.
	start "$ENGINE/log" dockerd --live-restore --host "$DOCKER_HOST" --pidfile "$ENGINE/pid" \
		--data-root "$ENGINE/data" --exec-root "$ENGINE/run" --bridge none
	disown "$started"
	within 30 docker version || fail_with_log "the container engine does not start" "$ENGINE/log"
	docker load -q -i "$ENGINE/images" >/dev/null
	rm "$ENGINE/images"
}

engine_end() {
	[ -d "$ENGINE" ] || return 0
	# Whoever started it last.
	stop "$(cat "$ENGINE/pid" 2>/dev/null)" TERM 20
	# Machines that are left, and what they run in.
	pgrep -f "containerd-shim.* $ENGINE/" | xargs -r -n 1 pkill -KILL -P
	pkill -KILL -f "$ENGINE/"
	# It has mounted its own folder.
	while umount -l "$ENGINE/data" 2>/dev/null; do :; done
	rm -rf --one-file-system "$ENGINE"
}
