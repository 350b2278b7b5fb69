#!/bin/sh
# A throw-away PostgreSQL cluster: prints its URL on standard output once it answers, and is gone when standard input
# closes. However the caller ends (done, failed, killed, Ctrl-C), its end of the pipe closes, so nothing is left over.
#
# It listens on a socket in a folder of its own, which needs no free port and lets no other user in. fsync stays on:
# naru refuses a server without it, and tests that kill processes mean something only with it.
set -eu

# Debian keeps the server's programs outside PATH, a folder a version, the newest last. One in PATH was put there to be used.
for initdb in /usr/lib/postgresql/*/bin/initdb "$(command -v initdb || true)"; do
    [ -x "$initdb" ] && bin=$(dirname "$(readlink -f "$initdb")")
done
if [ -z "${bin:-}" ]; then
    echo "there is no PostgreSQL server on this machine: \`cargo xtask test\` installs one or says how" >&2
    exit 3
fi

# PostgreSQL refuses to run as root.
as=
[ "$(id -u)" != 0 ] || as="setpriv --reuid=postgres --regid=postgres --clear-groups"

# A signal meant for the whole group must not end this script before it has cleaned up.
trap '' HUP INT TERM
dir=$($as mktemp -d /tmp/naru-postgres.XXXXXX)
cd "$dir"
finish() {
    # The data is thrown away, so there is nothing that a slower stop would save.
    $as "$bin/pg_ctl" stop -s -m immediate -D "$dir/data" 2>/dev/null || true
    cd /
    rm -rf "$dir"
}
trap finish EXIT

start() {
    $as "$bin/initdb" -U postgres -A trust -E UTF8 --locale=C -D "$dir/data" >"$dir/log" 2>&1 &&
        cat >>"$dir/data/postgresql.conf" <<CONF &&
listen_addresses = ''
unix_socket_directories = '$dir'
max_connections = 300
CONF
        $as "$bin/pg_ctl" start -s -w -D "$dir/data" -l "$dir/data/log"
}
if ! start; then
    cat "$dir/log" "$dir/data/log" >&2 || true
    exit 1
fi

echo "postgres://postgres@localhost/postgres?host=$dir"
cat >/dev/null
