#!/bin/bash
# The images of MariaDB and MySQL source this at the first start. The user may create and use our databases,
# and nothing else.
docker_process_sql --database=mysql <<SQL
GRANT ALL ON \`keys\\_db\\_%\`.* TO '$MYSQL_USER'@'%';
GRANT ALL ON \`urls\`.* TO '$MYSQL_USER'@'%';
GRANT ALL ON \`users\`.* TO '$MYSQL_USER'@'%';
SQL
