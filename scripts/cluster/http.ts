import { get } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** GETs a URL on a new connection; undefined without an answer within `timeoutMs`. */
export async function tryGet(url: string, timeoutMs = 1_000): Promise<Answer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Answer | undefined>();
  const request = get(url, { agent: false, signal: AbortSignal.timeout(timeoutMs) }, (response) => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      body += chunk;
    });
    response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
    response.once('error', () => resolve(undefined));
  });
  request.once('error', () => resolve(undefined));
  return promise;
}

/** One sample of a Prometheus text, such as `keymill_lock_held{keys_db="keys-db-1"} 1`. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples of a metrics page. Comments and other lines are skipped. */
export function parseMetrics(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (match === null) return [];
    const labels = [...(match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(
      ([, name = '', value = '']) => [name, value] as const,
    );
    return [{ name: match[1] ?? '', labels: Object.fromEntries(labels), value: Number(match[3]) }];
  });
}
