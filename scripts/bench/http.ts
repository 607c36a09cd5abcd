import { fork } from 'node:child_process';
import { join } from 'node:path';
import { bareEnvironment } from './private-servers.ts';
import { load, type LoadOptions, type LoadResult } from './load.ts';
import { toRow, type Bench, type BenchContext, type BenchRow } from './row.ts';

const CONNECTIONS = 64;
const STRETCHES = 5;
const STRETCH_MS = 2_000;
const WARM_UP_MS = 1_500;
const LINKS = 1_000;

type Requests = Pick<LoadOptions, 'request' | 'expect'>;

const shortenRequests: Requests = {
  expect: 201,
  request: (n) => ({
    method: 'POST',
    path: '/urls',
    body: JSON.stringify({ long_url: `https://example.com/articles/${n}?from=bench` }),
  }),
};

export const shorten: Bench = {
  name: 'shorten',
  does: `durable POST /urls over ${CONNECTIONS} connections on a private cluster, beside bare node:http`,
  long: false,
  run: async (context) => {
    const { mapperUrl } = await context.privateCluster();
    return measure(context, 'shorten', mapperUrl, shortenRequests);
  },
};

export const redirect: Bench = {
  name: 'redirect',
  does: `GET of ${LINKS.toLocaleString('en-US')} links over ${CONNECTIONS} connections on a private cluster, beside bare node:http`,
  long: false,
  run: async (context) => {
    const { mapperUrl } = await context.privateCluster();
    const keys = await makeLinks(context, mapperUrl);
    const pick = (n: number): string => keys[(n * 7_919) % keys.length] ?? '';
    return measure(context, 'redirect', mapperUrl, {
      expect: 302,
      request: (n) => ({ method: 'GET', path: `/${pick(n)}` }),
    });
  },
};

async function measure(
  context: BenchContext,
  name: string,
  mapperUrl: string,
  requests: Requests,
): Promise<BenchRow> {
  const run = async (url: string, durationMs = STRETCH_MS): Promise<LoadResult> =>
    load({ url, connections: CONNECTIONS, durationMs, signal: context.signal, ...requests });
  const bare = await startBareHttp();
  try {
    context.say(`${name}: measuring bare node:http`);
    await run(bare.url, WARM_UP_MS);
    const before = await run(bare.url);
    context.say(`${name}: measuring ${mapperUrl}`);
    await run(mapperUrl, WARM_UP_MS);
    const stretches: LoadResult[] = [];
    for (let i = 0; i < STRETCHES; i++) stretches.push(await run(mapperUrl));
    const after = await run(bare.url);
    const worst = (pick: (result: LoadResult) => number): number =>
      Number(Math.max(...stretches.map(pick)).toFixed(2));
    return toRow({
      name,
      unit: 'requests/s',
      samples: stretches.map(({ perSecond }) => perSecond),
      baseline: 'bare node:http in one process, nothing stored, same load',
      baselineValue: (before.perSecond + after.perSecond) / 2,
      control: after.perSecond / before.perSecond,
      details: {
        connections: CONNECTIONS,
        p50Ms: worst(({ p50Ms }) => p50Ms),
        p99Ms: worst(({ p99Ms }) => p99Ms),
      },
    });
  } finally {
    bare.stop();
  }
}

async function makeLinks(context: BenchContext, url: string): Promise<string[]> {
  const keys: string[] = [];
  while (keys.length < LINKS) {
    await load({
      ...shortenRequests,
      url,
      connections: CONNECTIONS,
      durationMs: 200,
      signal: context.signal,
      onBody: (body) => keys.push((JSON.parse(body) as { unique_id: string }).unique_id),
    });
  }
  return keys.slice(0, LINKS);
}

async function startBareHttp(): Promise<{ url: string; stop: () => void }> {
  const child = fork(join(import.meta.dirname, 'bare-http.ts'), { env: bareEnvironment() });
  const port = await new Promise<unknown>((resolve, reject) => {
    child.once('message', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the bare server ended with ${code}`)));
  });
  return { url: `http://127.0.0.1:${String(port)}`, stop: () => child.disconnect() };
}
