import { expect } from 'chai';
import { useApi } from '../api/use-api.ts';
import { converse } from '../converse.ts';

describe('an answer in pieces', () => {
  const fixture = useApi({ keys: 1_000 });

  it('comes in its turn, behind requests that take longer', async () => {
    const people = fixture.people;
    const { key } = await people.key(await people.person(), ['links:read', 'links:write']);
    const shorten = '{"long_url":"https://example.com/hello"}';
    const head = `Host: x\r\nAuthorization: Bearer ${key}\r\n`;
    const requests = [
      `POST /urls HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: ${shorten.length}\r\n\r\n${shorten}`,
      `GET /urls/export HTTP/1.1\r\n${head}\r\n`,
      `GET /urls/export?format=csv HTTP/1.1\r\n${head}\r\n`,
      `POST /urls/bulk HTTP/1.1\r\n${head}Content-Type: application/x-ndjson\r\nContent-Length: ${shorten.length}\r\n\r\n${shorten}`,
      `GET /urls HTTP/1.1\r\n${head}\r\n`,
    ];
    const { port } = new URL(fixture.mapper.url);
    const received = await converse(Number(port), [{ bytes: Buffer.from(requests.join('')), after: 0 }]);
    expect(received.match(/HTTP\/1\.1 \d+/g), received).to.deep.equal([
      'HTTP/1.1 201',
      'HTTP/1.1 200',
      'HTTP/1.1 200',
      'HTTP/1.1 200',
      'HTTP/1.1 200',
    ]);
  });
});
