#!/bin/sh
# Like the public haproxy image: the configuration is /usr/local/etc/haproxy/haproxy.cfg, and haproxy runs in
# the foreground in master-worker mode.
set -eu
case ${1:-} in
  -*) set -- haproxy "$@" ;;
esac
if [ "${1:-}" = haproxy ]; then
  shift
  set -- haproxy -W -db "$@"
fi
exec "$@"
