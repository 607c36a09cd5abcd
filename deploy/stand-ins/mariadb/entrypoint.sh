#!/bin/bash
# The part of the public mariadb image that we use: ROOT_PASSWORD, DATABASE, USER and PASSWORD, each beginning
# with MARIADB_ or MYSQL_ and each also as …_FILE; /docker-entrypoint-initdb.d/*.{sh,sql} at the first start.
# Arguments go to mariadbd.
set -euo pipefail

setting() { # setting NAME: its value under either prefix, directly or from a file
  local prefix variable file
  for prefix in MARIADB MYSQL; do
    variable=${prefix}_$1 file=${prefix}_$1_FILE
    [ -z "${!variable:-}" ] || { printf %s "${!variable}"; return; }
    [ -z "${!file:-}" ] || { cat "${!file}"; return; }
  done
}

docker_process_sql() { mariadb --protocol=socket --socket=/run/mysqld/init.sock -uroot "$@"; }

initialise() {
  local root database user password script pid
  root=$(setting ROOT_PASSWORD) database=$(setting DATABASE) user=$(setting USER) password=$(setting PASSWORD)
  [ -n "$root" ] || { echo 'MARIADB_ROOT_PASSWORD is not set' >&2; exit 1; }
  # Created under another name and then renamed, so that the final directory is complete even after a kill.
  rm -rf /var/lib/mysql/.new && mkdir /var/lib/mysql/.new
  mariadb-install-db --no-defaults --datadir=/var/lib/mysql/.new --skip-test-db --skip-name-resolve --force \
    --auth-root-authentication-method=normal >/dev/null
  mariadbd --no-defaults --datadir=/var/lib/mysql/.new --skip-networking --socket=/run/mysqld/init.sock --pid-file=/run/mysqld/init.pid &
  pid=$!
  for _ in $(seq 300); do docker_process_sql -e 'SELECT 1' >/dev/null 2>&1 && break; sleep 0.1; done
  docker_process_sql <<SQL
DELETE FROM mysql.global_priv WHERE User = '';
FLUSH PRIVILEGES;
CREATE USER 'root'@'%' IDENTIFIED BY '$root';
GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;
${database:+CREATE DATABASE \`$database\`;}
${user:+CREATE USER '$user'@'%' IDENTIFIED BY '$password';}
${database:+${user:+GRANT ALL ON \`$database\`.* TO '$user'@'%';}}
SQL
  export MYSQL_USER=$user MARIADB_USER=$user MYSQL_PASSWORD=$password MARIADB_PASSWORD=$password
  for script in /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sh) . "$script" ;;
      *.sql) docker_process_sql ${database:+--database="$database"} <"$script" ;;
    esac
  done
  docker_process_sql -e "ALTER USER 'root'@'localhost' IDENTIFIED BY '$root'"
  kill "$pid" && wait "$pid"
  mv /var/lib/mysql/.new/* /var/lib/mysql/ && rmdir /var/lib/mysql/.new
}

case ${1:-} in
  -*) set -- mariadbd "$@" ;;
  mysqld) shift && set -- mariadbd "$@" ;;
esac
[ "${1:-}" = mariadbd ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
  chown mysql: /var/lib/mysql /run/mysqld
  exec setpriv --reuid mysql --regid mysql --init-groups -- "$0" "$@"
fi
[ -d /var/lib/mysql/mysql ] || initialise
shift
exec mariadbd --no-defaults --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock --pid-file=/run/mysqld/mysqld.pid --bind-address=0.0.0.0 "$@"
