import { NO_VALUE } from '../../db/clicks/dimensions.ts';
import { flat } from '../../runtime/flat-text.ts';
import { labelOf, type Label } from '../clicks/resolved-click.ts';
import { parseLanguages } from '../following/language.ts';
import { BoundedCache } from '../../runtime/bounded-cache.ts';
import { RecentTexts } from './recent-texts.ts';

const MAX_HEADERS = 2_048;
const MAX_CHARACTERS = 256;

/** Of ISO 639. No longer one is registered, and a shorter one begins a tag of one's own: `x-klingon`. */
const LANGUAGE = /^([a-z]{2,3})(?:-|$)/;

/**
 * Which language visitors want most: `de`, not `de-AT`, because all that is written behind it makes it rarer.
 */
export class Languages {
  readonly #recent = new RecentTexts<Label>(MAX_HEADERS);
  readonly #labels = new BoundedCache<Label>(MAX_HEADERS);

  /** @param header `Accept-Language`; undefined: there is none */
  of(header: string | undefined): Label {
    if (header === undefined || header.length > MAX_CHARACTERS) return NONE;
    const recent = this.#recent.find(header);
    if (recent !== undefined) return recent;
    const label = this.#labels.get(header) ?? this.#read(header);
    this.#recent.add(header, label);
    return label;
  }

  #read(header: string): Label {
    const ranges = parseLanguages(header).filter(({ weight }) => weight > 0);
    const [language = NO_VALUE] = ranges.flatMap(({ range }) => LANGUAGE.exec(range)?.[1] ?? []);
    const label = labelOf('language', flat(language));
    this.#labels.set(flat(header), label);
    return label;
  }
}

const NONE = labelOf('language', NO_VALUE);
