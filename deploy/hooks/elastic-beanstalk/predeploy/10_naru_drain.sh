#!/bin/sh
# Elastic Beanstalk, before a deploy: this machine takes no new work, and the deploy waits for what runs.
#
# Install: in the source bundle as .platform/hooks/predeploy/10_naru_drain.sh, and the same file in
# .platform/confighooks/predeploy/ for changes of configuration; both executable (chmod +x). It runs as root on every
# machine of a batch. When the time is up it ends with 1, and Elastic Beanstalk gives the deploy up on this machine.
# 90_naru_undo.sh lets work begin again.
set -eu

NARU_CONFIG="${NARU_CONFIG:-/etc/naru/naru.toml}"
# Below the time-out of a command of the environment (aws:elasticbeanstalk:command, Timeout), which is 600 s.
NARU_TIMEOUT="${NARU_TIMEOUT:-9m}"

if ! naru --config "$NARU_CONFIG" drain --wait --timeout "$NARU_TIMEOUT" here; then
    # The version that runs stays, and shall work.
    naru --config "$NARU_CONFIG" drain --undo here
    exit 1
fi
