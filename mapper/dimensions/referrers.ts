import { NO_VALUE } from '../../db/clicks/dimensions.ts';
import { flat } from '../../runtime/flat-text.ts';
import { labelOf, type Label } from '../clicks/resolved-click.ts';
import { BoundedCache } from '../../runtime/bounded-cache.ts';

const MAX_REFERRERS = 8_192;
/** RFC 1035, 2.3.4. */
const MAX_HOST = 253;
/** As `URL.hostname` gives it, of any scheme: apps send `android-app://com.example`. */
const HOST = /^(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])$/;

/**
 * A host that is spelled as `URL.hostname` spells it. It must have a name at its end: there are many
 * spellings of an address.
 */
const USUAL = /^https?:\/\/((?:[a-z0-9-]+\.)+[a-z]+)$/;

/** On which host visitors found a link. Paths and queries are never kept: they may say who somebody is. */
export class Referrers {
  /** By scheme, host and port, as they were sent: those that are not usual. */
  readonly #labels = new BoundedCache<Label>(MAX_REFERRERS);

  /** @param referer the header; undefined: there is none */
  of(referer: string | undefined): Label {
    if (referer === undefined) return NONE;
    const colon = referer.indexOf('://');
    if (colon < 0) return NONE;
    const slash = referer.indexOf('/', colon + '://'.length);
    const origin = slash < 0 ? referer : referer.slice(0, slash);
    const [, usual] = USUAL.exec(origin) ?? [];
    if (usual !== undefined) return usual.length > MAX_HOST ? NONE : labelOf('referrer', usual);
    const known = this.#labels.get(origin);
    if (known !== undefined) return known;
    if (origin.length > MAX_ORIGIN) return NONE;
    const label = labelOf('referrer', hostOf(origin));
    this.#labels.set(flat(origin), label);
    return label;
  }
}

const MAX_ORIGIN = 2 * MAX_HOST;
const NONE = labelOf('referrer', NO_VALUE);

/** In lower case and ASCII, without user, password and port. Empty: it is none. */
function hostOf(origin: string): string {
  // A name is the same with a dot behind it.
  const host = URL.parse(origin)?.hostname.toLowerCase().replace(/\.$/, '') ?? '';
  return host.length <= MAX_HOST && HOST.test(host) ? host : '';
}
