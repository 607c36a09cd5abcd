import type { LinkClicks } from './click-flush.ts';
import { mergeHours, mergeValues, mergeVisitors } from './merge-clicks.ts';
import { dayOf } from './sql-times.ts';
import type { SubjectClicks, SubjectValue } from './subject.ts';
import type { ValueBounds } from './value-bounds.ts';

/** A link of an owner, and what was counted for it. */
export interface OwnedClicks {
  readonly ownerId: bigint;
  readonly link: LinkClicks;
}

/**
 * What the clicks of links are for their owners. The values of a day are bounded for an owner too, except for
 * his links.
 */
export function toOwnerClicks(owned: readonly OwnedClicks[], bounds: ValueBounds): SubjectClicks[] {
  return [...Map.groupBy(owned, ({ ownerId }) => ownerId)]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([ownerId, ofOwner]) => {
      const links = ofOwner.map(({ link }) => link);
      const id = String(ownerId);
      const values = links.flatMap((link) => [...link.values, ...toLinkValues(link)]);
      return {
        id,
        hours: mergeHours(links.flatMap(({ hours }) => hours)),
        values: mergeValues(values.map((value) => bounds.bound(id, value))),
        visitors: mergeVisitors(links.flatMap(({ visitors }) => visitors)),
      };
    });
}

/** Which of the links was followed on which day. */
function toLinkValues({ key, hours }: LinkClicks): SubjectValue[] {
  return mergeValues(
    hours.map(({ hour, humans, bots }) => ({
      day: dayOf(hour),
      dimension: 'link',
      value: key,
      humans,
      bots,
    })),
  );
}
