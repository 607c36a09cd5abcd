import type { Format } from './format.ts';
import { refuseOwn } from './own-links.ts';

/** Tables with a header, and our own export. The names of columns are those that other tables use as well. */
export const csv: Format = {
  name: 'csv',
  source: 'csv',
  marks: [
    ['longurl'],
    ['url'],
    ['target'],
    ['targeturl'],
    ['destination'],
    ['destinationurl'],
    ['originalurl'],
    ['longlink'],
  ],
  fields: {
    code: ['uniqueid', 'code', 'customalias', 'alias', 'slug', 'shortcode', 'keyword', 'key', 'backhalf'],
    short_url: ['shorturl', 'shortlink', 'link'],
    domain: ['domain'],
    long_url: [
      'longurl',
      'url',
      'target',
      'targeturl',
      'destination',
      'destinationurl',
      'originalurl',
      'longlink',
    ],
    created_at: ['createdat', 'created', 'createddate', 'creationdate', 'date', 'timestamp'],
    expiration_date: ['expirationdate', 'expiresat', 'expires', 'expiration', 'expiry', 'validuntil'],
    valid_from: ['validfrom', 'validsince'],
    title: ['title', 'name', 'description'],
    tags: ['tags', 'labels'],
    visits: ['visits', 'clicks', 'hits', 'visitcount'],
    humans: ['humans'],
    bots: ['bots'],
    redirect_type: ['redirecttype'],
    forward_query: ['forwardquery'],
    max_visits: ['maxvisits'],
    visits_left: ['visitsleft'],
    expired_url: ['expiredurl'],
    noindex: ['noindex'],
    disabled: ['disabled'],
    targets: ['targets'],
  },
  // They say how often the row was changed here, which a new row does not keep.
  redundant: ['updatedat', 'version'],
  hasFormulaQuotes: true,
  refuse: refuseOwn,
};
