import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/*
 * What Node alone can do: a 302 for every GET; for every POST a 201 with the parsed body back. Run as a process of its own
 * beside the load, like a mapper, and told nothing but when to end (its channel closes).
 */
const server = createServer((request, response) => {
  if (request.method !== 'POST') {
    response.writeHead(302, { location: 'https://example.com/', 'content-length': 0 }).end();
    return;
  }
  let text = '';
  request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  request.on('end', () => {
    const body = JSON.stringify({ long_url: (JSON.parse(text) as { long_url: string }).long_url });
    response
      .writeHead(201, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
      .end(body);
  });
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit(0));
