import { open } from 'node:fs/promises';
import { messageOf } from '../../runtime/errors.ts';
import { ConfigError } from '../../runtime/config/env.ts';
import type { Log } from '../../runtime/log.ts';
import { endPolls, pollEvery } from '../../runtime/polling.ts';
import { withDeadline } from '../../runtime/retry.ts';
import { BlockedDomains, parseBlockedDomains } from './blocked-domains.ts';
import { StoredDomains, type DomainSource } from './stored-domains.ts';

export interface WatchOptions {
  /** Undefined: there is no list. */
  readonly path: string | undefined;
  /** Those that administrators have blocked. Default: none. */
  readonly stored?: StoredList;
  /** A list has changed: what was judged by the old one must be judged again. */
  readonly onChanged: () => void;
  readonly log: Log;
}

/** Where the domains are that administrators have blocked. */
export interface StoredList extends DomainSource {
  readonly isConfigured: boolean;
  /** Whether it is worth asking. */
  readonly isUp: boolean;
  /** @param changed called, and awaited, when this process has changed the list. Never rejects. */
  listen(changed: () => Promise<void>): void;
}

/** The domains that are blocked, by a list that follows its file, and by administrators. */
export interface WatchedDomains extends AsyncDisposable {
  /** Whether there is a file. */
  readonly isConfigured: boolean;
  /** Whether links to this address are blocked. */
  readonly isBlocked: (url: string) => boolean;
  /** The same for a host, as in `URL.hostname`. */
  readonly isBlockedHost: (host: string) => boolean;
  /** Of the file. */
  readonly size: number;
  /** Whether the file could be read when it was last looked at. Otherwise the list before it is in use. */
  readonly isReadable: boolean;
}

const POLL_MS = 1_000;
/** How long the start waits for the users database, which links do not need. */
const FIRST_READ_MS = 1_000;
/** Some 400,000 domains, which take 50 MB of memory. */
export const MAX_LIST_BYTES = 8 * 2 ** 20;

/**
 * Reads the file and reads it again when the file changes. It looks at the file and not for its events: they
 * are lost when a folder is mounted or a link is replaced, as Kubernetes does. The list of administrators
 * is asked for its version.
 * @throws ConfigError when the file cannot be read at the start
 */
export async function watchBlockedDomains({
  path,
  stored,
  onChanged,
  log,
}: WatchOptions): Promise<WatchedDomains> {
  let domains = new BlockedDomains(new Set());
  let version = '';
  let isReadable = true;
  const stopping = new AbortController();
  const look = async (): Promise<void> => {
    if (path === undefined) return;
    const read = await readList(path, version);
    if (read === undefined) return;
    domains = await parseBlockedDomains(read.text);
    version = read.version;
    const { size, firstWrongLine } = domains;
    if (firstWrongLine === undefined) log.info({ path, domains: size }, 'blocked domains: read');
    else
      log.warn({ path, domains: size, line: firstWrongLine }, 'blocked domains: read; a line is no domain');
  };
  try {
    await look();
  } catch (error) {
    const expected = `a readable file of at most ${MAX_LIST_BYTES} bytes (${messageOf(error)})`;
    throw new ConfigError([{ variable: 'KEYMILL_BLOCKED_DOMAINS', value: path ?? '', expected }]);
  }
  const lookAgain = async (): Promise<void> => {
    const before = domains;
    try {
      await look();
      isReadable = true;
      if (domains !== before) onChanged();
    } catch (error) {
      if (isReadable) log.error({ path, error }, 'blocked domains: not readable; the last list is in use');
      isReadable = false;
    }
  };
  const polling = path === undefined ? undefined : pollEvery(POLL_MS, stopping.signal, lookAgain);
  const others = stored?.isConfigured === true ? await watchStored(stored, { onChanged, log }) : undefined;
  const isBlockedHost = (host: string): boolean => domains.has(host) || others?.list.has(host) === true;
  return {
    isConfigured: path !== undefined,
    isBlockedHost,
    isBlocked: (url) =>
      domains.size + (others?.list.size ?? 0) > 0 && isBlockedHost(URL.parse(url)?.hostname ?? ''),
    get size() {
      return domains.size;
    },
    get isReadable() {
      return isReadable;
    },
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      if (polling !== undefined) await endPolls(polling);
      await others?.[Symbol.asyncDispose]();
    },
  };
}

/** Reads the list of administrators, and again when it has changed. A mapper starts without it, too. */
async function watchStored(
  source: StoredList,
  { onChanged, log }: Pick<WatchOptions, 'onChanged' | 'log'>,
): Promise<AsyncDisposable & { readonly list: StoredDomains }> {
  const list = new StoredDomains(source, onChanged);
  const read = async (): Promise<void> => {
    try {
      await list.read();
    } catch (error) {
      log.debug({ error }, 'blocked domains: the users database does not tell them; the last list is in use');
    }
  };
  await withDeadline('reading blocked domains', FIRST_READ_MS, async () => read()).catch(() => undefined);
  source.listen(read);
  const stopping = new AbortController();
  const polling = pollEvery(POLL_MS, stopping.signal, async () => {
    if (source.isUp) await read();
  });
  return {
    list,
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await endPolls(polling);
    },
  };
}

/** @returns undefined when the file is still the version that was read last */
async function readList(
  path: string,
  lastVersion: string,
): Promise<{ text: string; version: string } | undefined> {
  await using file = await open(path);
  const { mtimeNs, ctimeNs, size, ino } = await file.stat({ bigint: true });
  const version = [mtimeNs, ctimeNs, size, ino].join(' ');
  if (version === lastVersion) return undefined;
  if (size > BigInt(MAX_LIST_BYTES)) throw new Error(`it has ${size} bytes`);
  const text = await file.readFile('utf8');
  return { text, version };
}
