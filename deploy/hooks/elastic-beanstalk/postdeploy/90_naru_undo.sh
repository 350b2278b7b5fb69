#!/bin/sh
# Elastic Beanstalk, after a deploy: this machine takes work again. A deploy that failed before this ends its drain after
# 30 minutes.
#
# Install: in the source bundle as .platform/hooks/postdeploy/90_naru_undo.sh, and the same file in
# .platform/confighooks/postdeploy/; both executable (chmod +x).
set -eu

NARU_CONFIG="${NARU_CONFIG:-/etc/naru/naru.toml}"

naru --config "$NARU_CONFIG" drain --undo here
