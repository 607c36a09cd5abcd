import { faultOf } from '../reasons.ts';
import type { Format } from './format.ts';

/** Kutt: what `GET /api/v2/links` answers. */
export const kutt: Format = {
  name: 'kutt',
  source: 'json',
  marks: [['address', 'target']],
  fields: {
    code: ['address'],
    short_url: ['link'],
    domain: ['domain'],
    long_url: ['target'],
    created_at: ['createdat'],
    expiration_date: ['expirein'],
    title: ['description'],
    visits: ['visitcount'],
  },
  refuse: (find) => {
    if (find('banned') === true) return faultOf('banned-link', 'banned', 'the link is banned at Kutt');
    return find('password') === true
      ? faultOf('protected-link', 'password', 'the link has a password, which Kutt does not hand out')
      : undefined;
  },
  findMissingPages: ({ total }, count) =>
    typeof total === 'number' && total > count
      ? `the file has ${count} of ${total} links; ask Kutt for the other pages (limit, skip)`
      : undefined,
};
