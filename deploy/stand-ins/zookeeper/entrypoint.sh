#!/bin/sh
# The part of the public zookeeper image that we use: ZOO_MY_ID, ZOO_SERVERS, ZOO_TICK_TIME, ZOO_INIT_LIMIT,
# ZOO_SYNC_LIMIT, ZOO_MAX_CLIENT_CNXNS, ZOO_AUTOPURGE_PURGEINTERVAL, ZOO_ADMINSERVER_ENABLED,
# ZOO_4LW_COMMANDS_WHITELIST, ZOO_CFG_EXTRA and SERVER_JVMFLAGS. Data is in /data, the log in /datalog, and
# the configuration in /conf, where it is written unless a file is mounted there.
set -eu
[ "${1:-}" = zkServer.sh ] || exec "$@"
if [ ! -f /conf/zoo.cfg ]; then
  {
    echo "dataDir=/data"
    echo "dataLogDir=/datalog"
    echo "tickTime=${ZOO_TICK_TIME:-2000}"
    echo "initLimit=${ZOO_INIT_LIMIT:-5}"
    echo "syncLimit=${ZOO_SYNC_LIMIT:-2}"
    echo "autopurge.purgeInterval=${ZOO_AUTOPURGE_PURGEINTERVAL:-0}"
    echo "maxClientCnxns=${ZOO_MAX_CLIENT_CNXNS:-60}"
    echo "standaloneEnabled=${ZOO_STANDALONE_ENABLED:-true}"
    echo "admin.enableServer=${ZOO_ADMINSERVER_ENABLED:-true}"
    echo "4lw.commands.whitelist=${ZOO_4LW_COMMANDS_WHITELIST:-srvr}"
    for setting in ${ZOO_CFG_EXTRA:-}; do echo "$setting"; done
    for server in ${ZOO_SERVERS:-server.1=localhost:2888:3888;2181}; do echo "$server"; done
  } >/conf/zoo.cfg
fi
[ -f /data/myid ] || echo "${ZOO_MY_ID:-1}" >/data/myid
as_user=''
if [ "$(id -u)" = 0 ]; then
  chown -R zookeeper: /conf /data /datalog /logs
  as_user='setpriv --reuid zookeeper --regid zookeeper --init-groups --'
fi
exec $as_user java ${SERVER_JVMFLAGS:-} -Dzookeeper.jmx.log4j.disable=true -Dorg.slf4j.simpleLogger.logFile=System.out \
  -Dorg.slf4j.simpleLogger.showDateTime=true -cp /usr/share/java/slf4j-simple.jar:/usr/share/java/zookeeper.jar \
  org.apache.zookeeper.server.quorum.QuorumPeerMain /conf/zoo.cfg
