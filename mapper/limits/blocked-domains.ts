import { setImmediate as turn } from 'node:timers/promises';

/** Domains to which no link may point. */
export class BlockedDomains {
  readonly #names: ReadonlySet<string>;
  /** The first line that is no domain, counted from 1. Undefined: all are. */
  readonly firstWrongLine: number | undefined;

  constructor(names: ReadonlySet<string>, firstWrongLine?: number) {
    this.#names = names;
    this.firstWrongLine = firstWrongLine;
  }

  get size(): number {
    return this.#names.size;
  }

  /**
   * Whether a host is one of the domains, or below one of them.
   * @param host as in `URL.hostname`
   */
  has(host: string): boolean {
    const names = this.#names;
    if (names.size === 0) return false;
    const end = endOfName(host);
    for (let at = 0; at < end; at = host.indexOf('.', at) + 1) {
      if (names.has(host.slice(at, end))) return true;
      if (!host.slice(at, end).includes('.')) return false;
    }
    return false;
  }
}

/** A name is the same with and without final dots. */
function endOfName(host: string): number {
  let end = host.length;
  while (end > 0 && host[end - 1] === '.') end -= 1;
  return end;
}

/** The event loop is free again after so many lines: 10,000 take a few milliseconds. */
const LINES_A_TURN = 10_000;

/**
 * Reads a list: one domain on each line, blocked with all names below it. `#` begins a comment, `*.` before a
 * domain means the same. Lines that are no domain are left out.
 */
export async function parseBlockedDomains(text: string): Promise<BlockedDomains> {
  const names = new Set<string>();
  let firstWrongLine: number | undefined;
  let number = 0;
  for (let at = 0; at < text.length;) {
    const lineEnd = text.indexOf('\n', at);
    const end = lineEnd < 0 ? text.length : lineEnd;
    const entry = entryOf(text.slice(at, end));
    at = end + 1;
    number += 1;
    if (entry !== '') {
      const name = nameOf(entry);
      if (name === undefined) firstWrongLine ??= number;
      else names.add(name);
    }
    if (number % LINES_A_TURN === 0) await turn();
  }
  return new BlockedDomains(names, firstWrongLine);
}

function entryOf(line: string): string {
  const comment = line.indexOf('#');
  return (comment < 0 ? line : line.slice(0, comment)).trim();
}

const MAX_NAME_CHARACTERS = 253;

/**
 * A domain as somebody writes it, in the spelling of `URL.hostname`. `*.` before it means the same.
 * @returns undefined when it is none
 */
export function parseDomain(text: string): string | undefined {
  const name = nameOf(text.trim());
  return name !== undefined && name.length <= MAX_NAME_CHARACTERS ? name : undefined;
}

const USUAL = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;

/** In the spelling of `URL.hostname`. Undefined: it is no domain. */
function nameOf(entry: string): string | undefined {
  const name = entry
    .replace(/^\*?\./, '')
    .replace(/\.$/, '')
    .toLowerCase();
  if (USUAL.test(name) && !/[0-9]$/.test(name)) return name;
  // Other letters, and the notations of addresses.
  if (/[\s/?#@:\\]/.test(name.replace(/^\[[\da-f:.]+\]$/, ''))) return undefined;
  const host = URL.parse(`http://${name}/`)?.hostname;
  return host === undefined || host === '' ? undefined : host;
}
