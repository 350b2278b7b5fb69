#!/bin/sh
# Copies git, ssh and sh, each with the libraries that it is linked with and nothing else, into a folder that is laid over an
# image of the same Debian, which has the C library itself.
#
#   collect.sh FOLDER
set -eu

into=${1:?collect.sh FOLDER}

# A file at its own place below the folder; what it is a link to comes along.
put() {
    [ -e "$into$1" ] && return
    mkdir -p "$into$(dirname "$1")"
    cp -L "$1" "$into$1"
}

# A program and its libraries. Those of the C library belong to the image's own loader.
program() {
    put "$1"
    ldd "$1" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | while read -r library; do
        case ${library##*/} in
            libc.so.* | libm.so.* | libresolv.so.* | libpthread.so.* | libdl.so.* | librt.so.*) continue ;;
        esac
        # Where /lib is a link to /usr/lib, here or there, this is the folder itself.
        put "/usr/lib/${library#*/lib/}"
    done
}

core=$(git --exec-path)
program "$(command -v git)"
# Most of git is one program; these speak to servers. The others of that folder are names of git itself.
program "$core/git-remote-http"
for name in git-remote-https git-upload-pack git-receive-pack git-index-pack; do
    rm -f "$into$core/$name"
    case $name in
        git-remote-https) ln -s git-remote-http "$into$core/$name" ;;
        *) ln -s "$(command -v git)" "$into$core/$name" ;;
    esac
done
program "$(command -v ssh)"
program "$(command -v ssh-add)"

mkdir -p "$into/bin"
program "$(readlink -f /bin/sh)"
ln -sf "$(readlink -f /bin/sh)" "$into/bin/sh"
# `test` and `printf` of git's credential helper are the shell's own.

mkdir -p "$into/var/lib/naru" "$into/etc/naru" "$into/tmp"
chown 65532:65532 "$into/var/lib/naru"
chmod 1777 "$into/tmp"
