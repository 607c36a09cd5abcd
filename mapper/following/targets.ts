import type { LinkRules, RuledTarget } from '../../db/urls/link-rules.ts';
import { bestLanguage } from './language.ts';
import type { Visitor } from './visitor.ts';

/** What of a visitor decides between targets. */
export type VisitorOfTargets = Pick<Visitor, 'device' | 'country' | 'languages'>;

/**
 * The target for a visitor: the first that fits him in everything it names. Undefined: none does.
 *
 * His language is chosen once, among all languages of the targets that fit him otherwise. So somebody who
 * reads English better than German gets the English target, also if the German one comes first.
 */
export function targetFor(targets: LinkRules['targets'], visitor: VisitorOfTargets): string | undefined {
  if (targets === undefined) return undefined;
  const fitting = targets.filter(({ when }) => fitsPlace(when, visitor));
  const languages = fitting.flatMap(({ when }) => when.language ?? []);
  const best = languages.length === 0 ? undefined : bestLanguage(visitor.languages, languages);
  return fitting.find(({ when }) => fitsLanguage(when, best))?.longUrl;
}

function fitsPlace({ device, country }: RuledTarget['when'], visitor: VisitorOfTargets): boolean {
  return isAmong(device, () => visitor.device) && isAmong(country, () => visitor.country);
}

function isAmong<T>(wanted: readonly T[] | undefined, find: () => T | undefined): boolean {
  if (wanted === undefined) return true;
  const found = find();
  return found !== undefined && wanted.includes(found);
}

function fitsLanguage({ language }: RuledTarget['when'], best: string | undefined): boolean {
  if (language === undefined) return true;
  return best !== undefined && language.some((tag) => tag.toLowerCase() === best);
}
