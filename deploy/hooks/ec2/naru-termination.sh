#!/bin/sh
# EC2 Auto Scaling: a machine that shall go ends its work first; the group waits for it.
#
# Install: as /usr/local/bin/naru-termination with naru-termination.service, and a lifecycle hook of the group:
#   aws autoscaling put-lifecycle-hook --auto-scaling-group-name GROUP --lifecycle-hook-name naru \
#     --lifecycle-transition autoscaling:EC2_INSTANCE_TERMINATING --heartbeat-timeout 900 --default-result CONTINUE
# The machine's role needs autoscaling:CompleteLifecycleAction for the group.
#
# Asks the metadata service (IMDSv2) every few seconds for the state that the group wants; at `Terminated` it drains,
# stops naru in order and tells the group to go on. When the time is up it goes on too: what is left is ended by
# SIGTERM, and what was never sent is sent by another machine. Spot interruptions give two minutes and no hook: there
# SIGTERM at shutdown does what can be done.
set -eu

NARU_CONFIG="${NARU_CONFIG:-/etc/naru/naru.toml}"
NARU_GROUP="${NARU_GROUP:?the name of the Auto Scaling group}"
NARU_HOOK="${NARU_HOOK:-naru}"
NARU_TIMEOUT="${NARU_TIMEOUT:-10m}"
METADATA="http://169.254.169.254/latest"

metadata() {
    token=$(curl -sf -m 5 -X PUT "$METADATA/api/token" -H "X-aws-ec2-metadata-token-ttl-seconds: 60") || return 1
    curl -sf -m 5 -H "X-aws-ec2-metadata-token: $token" "$METADATA/meta-data/$1"
}

until [ "$(metadata autoscaling/target-lifecycle-state)" = "Terminated" ]; do
    sleep 5
done

instance=$(metadata instance-id)
naru --config "$NARU_CONFIG" drain --wait --timeout "$NARU_TIMEOUT" here || true
systemctl stop naru.service || true
aws autoscaling complete-lifecycle-action --auto-scaling-group-name "$NARU_GROUP" \
    --lifecycle-hook-name "$NARU_HOOK" --instance-id "$instance" --lifecycle-action-result CONTINUE
