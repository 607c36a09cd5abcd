import type { Format } from './format.ts';
import { refuseOwn } from './own-links.ts';

/** Our own export: a link of the API in each line. */
export const ndjson: Format = {
  name: 'ndjson',
  source: 'ndjson',
  marks: [['uniqueid', 'longurl']],
  fields: {
    code: ['uniqueid'],
    short_url: ['shorturl'],
    long_url: ['longurl'],
    created_at: ['createdat'],
    expiration_date: ['expirationdate'],
    valid_from: ['validfrom'],
    title: ['title'],
    tags: ['tags'],
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
  readVisits: (find) => {
    const clicks = find('clicks');
    return typeof clicks === 'object' && clicks !== null
      ? {
          humans: 'humans' in clicks ? clicks.humans : undefined,
          bots: 'bots' in clicks ? clicks.bots : undefined,
        }
      : { humans: undefined, bots: undefined };
  },
  refuse: refuseOwn,
};
