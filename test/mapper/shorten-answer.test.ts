import { expect } from 'chai';
import { formatNewLink } from '../../mapper/shorten/shorten-answer.ts';

const SHORT_URL = 'https://go.example/abcd1234';

describe('the body of an answer to a shorten', () => {
  for (const longUrl of [
    'https://example.com/a?b=c#d',
    String.raw`https://example.com/?back\slash`,
    'https://example.com/?quote="',
  ])
    for (const expiresAt of [null, new Date(Date.UTC(2030, 0, 2, 3, 4, 5, 6))])
      it(`is the JSON of ${longUrl}, ${expiresAt === null ? 'for ever' : 'until a time'}`, () => {
        const createdAt = new Date(Date.UTC(2029, 0, 2, 3, 4, 5, 6));
        const key = 'abcd1234';
        const row = { key, slot: 1, longUrl, userId: null, createdAt, expiresAt, requestId: '' };
        expect(formatNewLink(row, SHORT_URL, false)).to.equal(
          JSON.stringify({
            short_url: SHORT_URL,
            unique_id: key,
            long_url: longUrl,
            created_at: createdAt,
            expiration_date: expiresAt,
          }),
        );
      });
});
