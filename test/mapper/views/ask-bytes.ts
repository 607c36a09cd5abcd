import { request, type IncomingHttpHeaders } from 'node:http';

export interface BytesAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

/** Asks once. @throws when the connection ends before the answer does */
export async function askBytes(
  url: string,
  headers: Readonly<Record<string, string | string[]>> = {},
  method = 'GET',
): Promise<BytesAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<BytesAnswer>();
  const outgoing = request(url, { method, headers, agent: false, timeout: 20_000 }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () => {
      const { statusCode: status = 0, headers } = response;
      resolve({ status, headers, bytes: Buffer.concat(chunks) });
    });
  });
  outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')));
  outgoing.on('error', reject);
  outgoing.end();
  return promise;
}
