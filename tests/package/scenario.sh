#!/bin/bash
# The life of the package in a copy of this machine's root: its own mount
# namespace, with everything that is written in memory. Called by
# tests/package.rs with two versions of the package; says what it has seen.
set -euo pipefail

first=$1 second=$2
place=$(mktemp -d)
mount -t tmpfs tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/copy"
mount -t overlay overlay \
    -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" "$place/copy" || exit 77
mount --rbind /proc "$place/copy/proc"
mount --rbind /dev "$place/copy/dev"
cp "$first" "$place/copy/first.deb"
cp "$second" "$place/copy/second.deb"

inside() {
    chroot "$place/copy" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@" </dev/null
}

# Starts the installed server as its user, as the unit does, and asks it.
serves() {
    inside setpriv --reuid tillgate --regid tillgate --clear-groups --no-new-privs \
        /usr/bin/tillgate serve --config /etc/tillgate/tillgate.toml --listen 127.0.0.1:0 \
        >"$place/said" 2>"$place/log" &
    local server=$! address=
    for _ in $(seq 300); do
        address=$(sed -n 's/^tillgate listening on //p' "$place/said")
        [ -n "$address" ] && break
        sleep 0.1
    done
    [ -n "$address" ] || { cat "$place/log"; return 1; }
    curl --silent --show-error --fail "$address/livez" >/dev/null
    pkill -TERM --parent "$server" || kill -TERM "$server"
    wait "$server"
}

inside dpkg --install /first.deb
[ "$(inside stat -c '%U %a' /var/lib/tillgate)" = 'tillgate 700' ]
inside test -s /usr/share/man/man1/tillgate-serve.1.gz
inside bash -n /usr/share/bash-completion/completions/tillgate
inside tillgate config check --config /etc/tillgate/tillgate.toml
serves
inside test -d /var/lib/tillgate/db/db
[ "$(inside stat -c '%U %a' /var/lib/tillgate/db.key)" = 'tillgate 600' ]
echo installed

echo '# ours' >>"$place/copy/etc/tillgate/tillgate.toml"
key=$(inside sha256sum /var/lib/tillgate/db.key)
inside dpkg --install /second.deb
inside dpkg-query --show --showformat='${Version}\n' tillgate
inside grep -q '^# ours$' /etc/tillgate/tillgate.toml
[ "$key" = "$(inside sha256sum /var/lib/tillgate/db.key)" ]
serves
echo upgraded

inside dpkg --remove tillgate
inside test ! -e /usr/bin/tillgate
inside test -d /var/lib/tillgate/db/db
inside test -e /etc/tillgate/tillgate.toml
echo removed

inside dpkg --purge tillgate
for gone in /var/lib/tillgate /var/log/tillgate /etc/tillgate /lib/systemd/system/tillgate.service; do
    inside test ! -e "$gone"
done
! inside getent passwd tillgate
! inside dpkg --status tillgate 2>/dev/null
echo purged
