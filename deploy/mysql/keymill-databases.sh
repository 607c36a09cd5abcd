#!/bin/bash
# Sourced by the image at the first start, of MariaDB and MySQL alike: the user may make and use our databases, and nothing else.
docker_process_sql --database=mysql <<SQL
GRANT ALL ON \`keys\\_db\\_%\`.* TO '$MYSQL_USER'@'%';
GRANT ALL ON \`urls\`.* TO '$MYSQL_USER'@'%';
GRANT ALL ON \`users\`.* TO '$MYSQL_USER'@'%';
SQL
