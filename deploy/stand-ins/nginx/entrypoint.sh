#!/bin/sh
# Like the public nginx image, without its scripts of /docker-entrypoint.d: it runs what it is told.
set -eu
exec "$@"
