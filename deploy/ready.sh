#!/bin/bash
# Exit 0 when the node of this container is ready, or what listens on the given port answers the given path with 200. By bash alone, so that the image
# needs no HTTP client.
set -euo pipefail

exec 3<>"/dev/tcp/127.0.0.1/${1:-8090}"
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "${2:-/health/ready}" >&3
read -r -t 2 _ status _ <&3
[[ "$status" == 200 ]]
