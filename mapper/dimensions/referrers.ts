import { NO_VALUE } from '../../db/clicks/dimensions.ts';
import { flat } from '../../runtime/flat-text.ts';
import { labelHash, labelOf, type Label } from '../clicks/resolved-click.ts';
import { BoundedCache } from '../../runtime/bounded-cache.ts';

const MAX_REFERRERS = 8_192;
/** RFC 1035, 2.3.4. */
const MAX_HOST = 253;
/** As `URL.hostname` gives it, of any scheme: apps send `android-app://com.example`. */
const HOST = /^(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])$/;

/** On which host visitors found a link. Paths and queries are never kept: they may say who somebody is. */
export class Referrers {
  /** Of usual hosts, each at the place that its hash gives it. */
  readonly #recent: (Label | undefined)[] = Array.from({ length: MAX_REFERRERS });
  /** Their hashes: so few bytes that they are always in the processor's cache. */
  readonly #hashes = new Int32Array(MAX_REFERRERS);
  /** By scheme, host and port, as they were sent: those that are not usual. */
  readonly #labels = new BoundedCache<Label>(MAX_REFERRERS);
  #missed = 0;

  /** @param referer the header; undefined: there is none */
  of(referer: string | undefined): Label {
    if (referer === undefined) return NONE;
    const start = startOfHost(referer);
    const end = endOfUsualHost(referer, start);
    if (end > 0) return end - start > MAX_HOST ? NONE : this.#usual(referer, start, end);
    const colon = referer.indexOf('://');
    if (colon < 0) return NONE;
    const slash = referer.indexOf('/', colon + '://'.length);
    const origin = slash < 0 ? referer : referer.slice(0, slash);
    const known = this.#labels.get(origin);
    if (known !== undefined) return known;
    if (origin.length > MAX_ORIGIN) return NONE;
    const label = labelOf('referrer', hostOf(origin));
    this.#labels.set(flat(origin), label);
    return label;
  }

  /** Most of the hosts that come often have one label, which is not a view. */
  #usual(referer: string, start: number, end: number): Label {
    const hash = labelHash('referrer', referer, start, end);
    const place = hash >>> PLACE_SHIFT;
    const value = referer.slice(start, end);
    if (this.#hashes[place] === hash) {
      const recent = this.#recent[place];
      if (recent?.value === value) return recent;
    }
    this.#missed += 1;
    if (this.#missed % REMEMBERED === 0) {
      this.#hashes[place] = hash;
      return (this.#recent[place] = labelOf('referrer', flat(value)));
    }
    return { dimension: 'referrer', value, hash, isView: true };
  }
}

const PLACE_SHIFT = 32 - Math.log2(MAX_REFERRERS);
/** One of so many hosts that are not there is remembered. */
const REMEMBERED = 8;

function startOfHost(referer: string): number {
  if (referer.startsWith('https://')) return 'https://'.length;
  return referer.startsWith('http://') ? 'http://'.length : 0;
}

/**
 * Where a host ends that is spelled as `URL.hostname` spells it: names of small letters, digits and hyphens
 * with dots between them, the last one of letters only. There are many spellings of an address.
 * @param start 0: there is none @returns 0: it is spelled in another way
 */
function endOfUsualHost(referer: string, start: number): number {
  if (start === 0) return 0;
  let [name, isOfLetters, names] = [start, true, 1];
  let at = start;
  for (; at < referer.length; at += 1) {
    const code = referer.charCodeAt(at);
    if (code === SLASH) break;
    if (code === DOT) {
      if (at === name) return 0;
      [name, isOfLetters] = [at + 1, true];
      names += 1;
    } else if (code < SMALL_A || code > SMALL_Z) {
      if (code !== HYPHEN && (code < ZERO || code > NINE)) return 0;
      isOfLetters = false;
    }
  }
  return names > 1 && isOfLetters && at > name ? at : 0;
}

const [HYPHEN, DOT, SLASH, ZERO, NINE] = [0x2d, 0x2e, 0x2f, 0x30, 0x39] as const;
const [SMALL_A, SMALL_Z] = [0x61, 0x7a] as const;

const MAX_ORIGIN = 2 * MAX_HOST;
const NONE = labelOf('referrer', NO_VALUE);

/** In lower case and ASCII, without user, password and port. Empty: it is none. */
function hostOf(origin: string): string {
  // A name is the same with a dot behind it.
  const host = URL.parse(origin)?.hostname.toLowerCase().replace(/\.$/, '') ?? '';
  return host.length <= MAX_HOST && HOST.test(host) ? host : '';
}
