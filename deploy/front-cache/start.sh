#!/bin/sh
# Starts the cache in front of Keymill: fills in nginx.conf, and reads the token of refreshes from its file.
# So neither the environment nor the list of processes has it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
run=${FRONT_CACHE_RUN:-/tmp/front-cache}
cache=${FRONT_CACHE_DIR:-/var/cache/front-cache}
token_file=${FRONT_CACHE_TOKEN_FILE:-/run/secrets/front-cache-token}

token=$(cat "$token_file")
case $token in
  '' | *[!A-Za-z0-9_-]*)
    echo "front-cache: $token_file must have letters, digits, _ and -, as openssl rand -hex 32 makes them" >&2
    exit 1
    ;;
esac
[ "${#token}" -ge 16 ] || { echo "front-cache: $token_file must have 16 characters or more" >&2; exit 1; }

# Workers, of another user, have folders of their own in it.
mkdir -p "$run"
chmod 711 "$run"
(umask 077 && printf '%s 1;\n' "$token" >"$run/token.map")
sed \
  -e "s|@RUN@|$run|g" \
  -e "s|@CACHE@|$cache|g" \
  -e "s|@BYTES@|${FRONT_CACHE_BYTES:-1g}|g" \
  -e "s|@RESOLVER@|${FRONT_CACHE_RESOLVER:-127.0.0.11}|g" \
  -e "s|@BEHIND@|${FRONT_CACHE_BEHIND:-haproxy:8080}|g" \
  -e "s|@LISTEN@|${FRONT_CACHE_LISTEN:-8080}|g" \
  "$here/nginx.conf" >"$run/nginx.conf"
exec nginx -p "$run" -c "$run/nginx.conf" -g "daemon off; user ${FRONT_CACHE_USER:-nginx};"
