import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface AdminPort extends AsyncDisposable {
  readonly url: string;
  /** `METHOD /path` of each request so far. */
  readonly asked: readonly string[];
}

/** A fake admin port with the given answers by `METHOD /path`. Everything else is 404. */
export async function startAdminPort(
  answers: Readonly<Record<string, () => Promise<unknown>>>,
): Promise<AdminPort> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const name = `${request.method} ${request.url}`;
    asked.push(name);
    const reply = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const answer = answers[name];
    if (answer === undefined) reply(404, { error: `no ${name} here` });
    else
      answer().then(
        (body) => reply(200, body),
        (error: unknown) => reply(409, { error: String(error) }),
      );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
