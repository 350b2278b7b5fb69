#!/bin/sh
# A real API server and controller manager, 1.20, built from Debian's source package into the folder $1, with Debian's
# etcd beside them. Nothing is installed: packages are unpacked into that folder. What the recipe rests on:
#
# - The package holds the whole tree with all it imports. It is built as Go 1.19 does outside modules; inside them it
#   wants its own list of imports changed.
# - The table of types that the server publishes is generated; without it the link fails.
# - reflect2 1.0.1, which the tree holds, fails with this Go on the first custom resource; Debian's 1.0.2 does not.
set -eu

peer=$1
mkdir -p "$peer/lists/partial" "$peer/cache/archives/partial" "$peer/sources"
cd "$peer"

not_run() {
    echo "not run: $1" >&2
    exit 3
}

command -v apt-get >/dev/null && command -v dpkg-source >/dev/null || not_run "no apt-get and dpkg-source on this machine"

# The machine's own mirrors, asked for sources too, in lists of our own.
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ ! -f "$list" ] || sed -n 's/^deb /deb-src /p; /^deb[ -]/p' "$list" >"sources/$(basename "$list")"
done
for list in /etc/apt/sources.list.d/*.sources; do
    [ ! -f "$list" ] || sed 's/^Types:.*/Types: deb deb-src/' "$list" >"sources/$(basename "$list")"
done
apt() {
    apt-get -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$peer/sources" \
        -o Dir::State::Lists="$peer/lists" -o Dir::Cache="$peer/cache" -o APT::Sandbox::User=root "$@"
}

if [ ! -d root/usr/bin ]; then
    apt update || not_run "package lists cannot be had"
    apt download golang-1.19-go golang-1.19-src etcd-server golang-github-modern-go-reflect2-dev ||
        not_run "Go 1.19 or etcd are not in this system's packages"
    for package in ./*.deb; do dpkg-deb -x "$package" root.part; done
    rm -f ./*.deb
    # Go finds its sources by links that lead to where they would be installed.
    rm -rf root.part/usr/lib/go-1.19/src root.part/usr/lib/go-1.19/api root.part/usr/lib/go-1.19/misc
    mv root.part/usr/share/go-1.19/src root.part/usr/lib/go-1.19/src
    mv root.part root
fi

tree=go/src/k8s.io/kubernetes
if [ ! -d "$tree" ]; then
    mkdir -p go/src/k8s.io source
    (cd source && apt source --download-only kubernetes) || not_run "kubernetes is not in this system's source packages"
    grep -q '^Version: 1\.20' source/*.dsc || not_run "this system's source package of kubernetes is not 1.20"
    rm -rf "$tree.part"
    dpkg-source --no-check -x source/*.dsc "$tree.part" >/dev/null
    reflect2=vendor/github.com/modern-go/reflect2
    rm -rf "${tree:?}.part/$reflect2"
    cp -r root/usr/share/gocode/src/github.com/modern-go/reflect2 "$tree.part/$reflect2"
    mv "$tree.part" "$tree"
fi

export GOROOT="$peer/root/usr/lib/go-1.19" GOPATH="$peer/go" GOCACHE="$peer/go-cache" GO111MODULE=off GOFLAGS= CGO_ENABLED=0
PATH="$GOROOT/bin:$PATH"
cd "$tree"
if [ ! -f pkg/generated/openapi/zz_generated.openapi.go ]; then
    go build -o "$peer/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
    # Whoever asks for it says so in a comment; examples are left out, as the tree's own makefile does.
    packages=$(grep -RlE --include='*.go' '\+k8s:openapi-gen=' pkg vendor/k8s.io | xargs -n1 dirname | sort -u |
        grep -vE '^vendor/k8s.io/(code-generator|sample-apiserver)/' | sed 's#^#k8s.io/kubernetes/#' | paste -sd, -)
    "$peer/openapi-gen" --logtostderr -i "$packages" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
        -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$peer/openapi-report" --output-base "$peer/generated"
    cp "$peer/generated/k8s.io/kubernetes/pkg/generated/openapi/zz_generated.openapi.go" pkg/generated/openapi/
fi
client=k8s.io/kubernetes/vendor/k8s.io/client-go/pkg/version
server=k8s.io/kubernetes/vendor/k8s.io/component-base/version
told=
for place in "$client" "$server"; do
    told="$told -X $place.gitVersion=v1.20.2 -X $place.gitMajor=1 -X $place.gitMinor=20"
done
go build -ldflags "-s -w $told" -o "$peer/bin.part/" ./cmd/kube-apiserver ./cmd/kube-controller-manager
cp "$peer/root/usr/bin/etcd" "$peer/bin.part/"
mv "$peer/bin.part" "$peer/bin"
# What built them is of no more use.
cd "$peer"
rm -rf go go-cache root generated openapi-gen openapi-report source sources lists cache
