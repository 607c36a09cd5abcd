import { faultOf } from '../reasons.ts';
import type { FindValue, Format } from './format.ts';

/** Sink: the pages of its export. */
export const sink: Format = {
  name: 'sink',
  source: 'json',
  marks: [['slug', 'url']],
  fields: {
    code: ['slug'],
    long_url: ['url'],
    created_at: ['createdat'],
    expiration_date: ['expiration'],
    title: ['title', 'comment', 'description'],
    tags: ['tags'],
    forward_query: ['redirectwithquery'],
  },
  redundant: ['id', 'apple', 'google', 'geo'],
  readTargets,
  refuse: (find) =>
    find('password') === undefined
      ? undefined
      : faultOf('protected-link', 'password', 'the link has a password, which the export does not contain'),
  findMissingPages: ({ list_complete: isComplete }) =>
    isComplete === false
      ? 'the file is one page of a longer list; export the pages behind it too'
      : undefined,
};

/** One list with an order, of fields that have none: devices first. A link that has both is noted. */
function readTargets(find: FindValue): unknown {
  const targets: unknown[] = [];
  if (find('apple') !== undefined) targets.push({ when: { device: ['ios'] }, long_url: find('apple') });
  if (find('google') !== undefined) targets.push({ when: { device: ['android'] }, long_url: find('google') });
  const geo = find('geo');
  if (typeof geo === 'object' && geo !== null)
    for (const [country, url] of Object.entries(geo))
      targets.push({ when: { country: [country] }, long_url: url as unknown });
  return targets.length === 0 ? undefined : targets;
}
