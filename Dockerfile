# The image of producers, mappers and the operator's command: Node, its shared libraries, CA certificates,
# production modules and our sources, and nothing else. Node itself comes from the lock file, so containers
# run the version that everything is tested with.
ARG NODE_IMAGE=node:26.10.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
LABEL keymill.image=build
RUN { [ -e /etc/ssl/certs/ca-certificates.crt ] && ls /usr/lib/*/libatomic.so.1; } >/dev/null 2>&1 \
 || { apt-get update && apt-get install -y --no-install-recommends ca-certificates libatomic1; }
WORKDIR /keymill
# Our scripts put the modules of the lock file here, so that a build takes seconds and needs no network.
# Without them, `docker build` fetches the modules.
COPY package.json package-lock.json .npmrc .run/modules.ta[r] ./
RUN if [ -f modules.tar ]; then tar --extract --file=modules.tar && rm modules.tar; \
    else npm ci --omit=dev --include=optional --ignore-scripts --no-audit --no-fund; fi
# The libraries that Node is linked with, as ldd lists them. libc loads the resolver by name, so ldd does not
# list it.
RUN mkdir -p /root-fs/keymill /root-fs/bin /root-fs/etc/ssl/certs /root-fs/tmp \
 && mv node_modules/node-linux-*/bin/node /root-fs/bin/node \
 && ldd /root-fs/bin/node | grep -oE '/[^ ]+' | while read -r library; do \
      mkdir -p "/root-fs$(dirname "$library")" && cp -L "$library" "/root-fs$library"; done \
 && cp -L /lib/*/libnss_dns.so.2 /lib/*/libnss_files.so.2 /lib/*/libresolv.so.2 "/root-fs$(dirname "$(ls /lib/*/libc.so.6)")/" \
 && cp -L /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/ \
 && printf 'hosts: files dns\n' >/root-fs/etc/nsswitch.conf \
 && printf 'keymill:x:10001:10001::/keymill:/sbin/nologin\n' >/root-fs/etc/passwd \
 && printf 'keymill:x:10001:\n' >/root-fs/etc/group \
 && chmod 1777 /root-fs/tmp \
 && mkdir -p /of-keymill/blobs \
 && rm -rf node_modules/node-linux-* node_modules/node-darwin-* node_modules/node-bin-* node_modules/.package-lock.json \
 && find node_modules -type f \( -name '*.md' -o -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete \
 && mv node_modules /root-fs/keymill/

FROM scratch AS programs
COPY --from=build /root-fs /
COPY package.json LICENSE /keymill/
COPY runtime /keymill/runtime
COPY coordinator /keymill/coordinator
COPY db /keymill/db
COPY producer /keymill/producer
COPY mapper /keymill/mapper
COPY scripts /keymill/scripts
WORKDIR /keymill
# There is no writable HOME: the root file system is meant to be read-only.
ENV NODE_ENV=production SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    KEYMILL_HTTP_HOST=0.0.0.0 KEYMILL_HTTP_PORT=8080 KEYMILL_ADMIN_HOST=0.0.0.0 KEYMILL_ADMIN_PORT=9101

# Compiled modules: with them a process never loads Node's type stripper, which saves it 25 to 40 MB.
FROM programs AS compile-cache
LABEL keymill.image=build
RUN ["/bin/node", "scripts/containers/warm-cache.mjs", "/keymill/compile-cache", "10001"]

FROM programs
COPY --from=compile-cache /keymill/compile-cache /keymill/compile-cache
ENV NODE_COMPILE_CACHE=/keymill/compile-cache
# A new volume gets the owner of the folder on which it is mounted.
COPY --from=build --chown=10001:10001 /of-keymill /var/lib/keymill
USER 10001:10001
EXPOSE 8080 9101
# Node is process 1. It waits for all its children (the worker of a producer, the processes of a mapper), so
# no process is orphaned and no init is needed.
ENTRYPOINT ["/bin/node"]
CMD ["mapper/main.ts"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/bin/node", "scripts/containers/health.mjs"]
