#!/bin/sh
# A throw-away control plane of what build.sh left in the folder $1: etcd, API server and controller manager on free
# ports $2 to $5 of the loopback. Prints the folder with the kubeconfigs `admin` and `nobody` once it answers, and is
# gone when standard input closes, however the caller ends.
set -eu

bin=$1/bin
etcd=$2 etcd_peer=$3 server=$4 manager=$5

for tool in openssl curl; do
    command -v "$tool" >/dev/null || { echo "not run: there is no $tool on this machine" >&2; exit 3; }
done

# A signal meant for the whole group must not end this script before it has cleaned up.
trap '' HUP INT TERM
dir=$(mktemp -d /tmp/naru-kubernetes.XXXXXX)
cd "$dir"
running=
finish() {
    [ -z "$running" ] || kill -KILL $running 2>/dev/null || true
    cd /
    rm -rf "$dir"
}
trap finish EXIT

# Each has a name, for the log that is shown if it fails.
start() {
    name=$1
    shift
    "$@" >"$dir/$name.log" 2>&1 &
    running="$running $!"
}

openssl genrsa -out account.key 2048 2>/dev/null
printf '%s\n' 'admin-token,admin,1,"system:masters"' 'nobodys-token,nobody,2' >tokens
kubeconfig() {
    cat >"$1" <<CONF
apiVersion: v1
kind: Config
current-context: test
clusters:
- name: test
  cluster:
    server: https://127.0.0.1:$server
    certificate-authority: certs/apiserver.crt
    # One of those that its certificate has.
    tls-server-name: $3
users:
- name: test
  user: { token: $2 }
contexts:
- name: test
  context: { cluster: test, user: test, namespace: default }
CONF
}
kubeconfig admin admin-token 127.0.0.1
kubeconfig nobody nobodys-token kubernetes

start etcd "$bin/etcd" --data-dir data --listen-client-urls "http://127.0.0.1:$etcd" \
    --advertise-client-urls "http://127.0.0.1:$etcd" --listen-peer-urls "http://127.0.0.1:$etcd_peer"
start apiserver "$bin/kube-apiserver" --etcd-servers "http://127.0.0.1:$etcd" --secure-port "$server" \
    --bind-address 127.0.0.1 --cert-dir certs --token-auth-file tokens --authorization-mode RBAC \
    --service-account-issuer https://test --service-account-signing-key-file account.key \
    --service-account-key-file account.key --service-cluster-ip-range 10.0.0.0/24 \
    --disable-admission-plugins ServiceAccount

answers() {
    curl -sk --max-time 2 -H 'Authorization: Bearer admin-token' "https://127.0.0.1:$server/readyz" 2>/dev/null | grep -qx ok
}
for _ in $(seq 600); do
    ! answers || break
    for one in $running; do
        kill -0 "$one" 2>/dev/null || { tail -n 20 ./*.log >&2; exit 1; }
    done
    sleep 0.1
done
answers || { tail -n 20 ./*.log >&2; exit 1; }
start manager "$bin/kube-controller-manager" --kubeconfig admin --leader-elect=false --port 0 \
    --secure-port "$manager" --bind-address 127.0.0.1 --service-account-private-key-file account.key \
    --controllers '*,-ttl,-bootstrapsigner,-tokencleaner'

echo "$dir"
cat >/dev/null
