import { NO_VALUE, OTHER_VALUES, type Dimension } from '../../db/clicks/dimensions.ts';

/** What is said about a dimension of clicks. */
interface Words {
  /** All values: the name of a table. */
  readonly plural: string;
  /** One value: the head of a column. */
  readonly singular: string;
  /** Of a click about which nothing is known. */
  readonly nothing: string;
}

/** The dimensions of a link, in the order of the page. */
export const WORDS: Readonly<Record<Exclude<Dimension, 'link'>, Words>> = {
  referrer: { plural: 'Where people came from', singular: 'Site', nothing: 'Direct, or not known' },
  country: { plural: 'Countries', singular: 'Country', nothing: 'Not known' },
  language: { plural: 'Languages', singular: 'Language', nothing: 'Not known' },
  browser: { plural: 'Browsers', singular: 'Browser', nothing: 'Not known' },
  os: { plural: 'Systems', singular: 'System', nothing: 'Not known' },
  device: { plural: 'Devices', singular: 'Device', nothing: 'Not known' },
};

/** Made when first asked for: they look through the data of all languages, which takes 7 MB of memory. */
const NAMES: { country?: Intl.DisplayNames; language?: Intl.DisplayNames } = {};

function namesOf(by: keyof typeof NAMES): Intl.DisplayNames {
  const type = by === 'country' ? 'region' : 'language';
  return (NAMES[by] ??= new Intl.DisplayNames('en', { type, fallback: 'none' }));
}

/** A stored value in words: `DE` is Germany. Pure. */
export function nameOfValue(by: keyof typeof WORDS, value: string): string {
  if (value === NO_VALUE) return WORDS[by].nothing;
  if (value === OTHER_VALUES) return 'All others';
  if (by === 'device' && value === 'tv') return 'TV';
  if (by === 'device') return value.charAt(0).toUpperCase() + value.slice(1);
  if (by !== 'country' && by !== 'language') return value;
  return knownName(by, value) ?? `${WORDS[by].nothing} (${value})`;
}

function knownName(by: keyof typeof NAMES, value: string): string | undefined {
  try {
    return namesOf(by).of(value);
  } catch {
    // An older release may have stored what has not even the form of a code.
    return undefined;
  }
}
