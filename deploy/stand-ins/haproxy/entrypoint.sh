#!/bin/sh
# As the public haproxy image: the configuration is /usr/local/etc/haproxy/haproxy.cfg, master-worker mode in the foreground.
set -eu
case ${1:-} in
  -*) set -- haproxy "$@" ;;
esac
if [ "${1:-}" = haproxy ]; then
  shift
  set -- haproxy -W -db "$@"
fi
exec "$@"
