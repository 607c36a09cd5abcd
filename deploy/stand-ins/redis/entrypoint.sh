#!/bin/sh
# Like the public redis image: arguments go to redis-server, data is in /data, and it does not run as root.
set -eu
case ${1:-} in
  -* | *.conf) set -- redis-server "$@" ;;
esac
if [ "${1:-}" = redis-server ]; then
  # By default, the public image listens on all addresses without a password.
  set -- "$@" --protected-mode no
  if [ "$(id -u)" = 0 ]; then
    chown -R redis: /data
    exec setpriv --reuid redis --regid redis --init-groups -- "$@"
  fi
fi
exec "$@"
