import type { Format } from './format.ts';

/** Chhoto: what `GET /api/all` answers.  */
export const chhoto: Format = {
  name: 'chhoto',
  source: 'json',
  marks: [['shortlink', 'longlink']],
  fields: {
    code: ['shortlink'],
    long_url: ['longlink'],
    expiration_date: ['expirytime'],
    title: ['notes'],
    visits: ['hits'],
  },
  zeroMeansNone: ['expiration_date'],
};
