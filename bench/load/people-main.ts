import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../../runtime/clock.ts';
import { median, percentile } from '../../runtime/statistics.ts';
import { serveParent } from './child.ts';

/** Somebody who is signed in. */
export interface Person {
  readonly cookie: string;
  /** Keys of links of theirs. */
  readonly links: readonly string[];
}

export interface Crowd {
  readonly url: string;
  readonly people: readonly Person[];
  /** Each looks at a page for so long, from when it is asked for. */
  readonly everyMs: number;
  /** The dashboard that the first of them look at all the time, and how many these are. */
  readonly dashboard: { readonly url: string; readonly token: string; readonly watchers: number };
}

export interface PagesSeen {
  /** From when they came. */
  readonly seconds: number;
  readonly pages: number;
  /** Forms that were carried out: they are among the pages. */
  readonly saved: number;
  /** Events of clicks and of the dashboard that they were sent. */
  readonly events: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of answers that were none; the first one. */
  readonly faults: number;
  readonly fault: string | undefined;
}

interface Stay {
  readonly crowd: Crowd;
  readonly agent: Agent;
  readonly gone: AbortController;
  readonly cameMs: number;
  readonly latencies: number[];
  saved: number;
  events: number;
  faults: number;
  fault: string | undefined;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** What one person does, again and again; everybody begins somewhere else. */
const VISITS: readonly ((stay: Stay, person: Person, link: string) => Promise<void>)[] = [
  async (stay, person) => void (await see(stay, person, '/')),
  async (stay, person) => void (await see(stay, person, '/urls')),
  async (stay, person) => void (await see(stay, person, '/urls?q=article+1&tag=spring')),
  seeClicks,
  async (stay, person) => void (await see(stay, person, '/settings')),
  editLink,
];

let stay: Stay | undefined;
let living: Promise<unknown> = Promise.resolve();

function come(crowd: Crowd): object {
  const gone = new AbortController();
  const began: Stay = {
    crowd,
    gone,
    cameMs: monotonicMs(),
    agent: new Agent({ keepAlive: true, maxSockets: crowd.people.length }),
    latencies: [],
    saved: 0,
    events: 0,
    faults: 0,
    fault: undefined,
  };
  stay = began;
  const { url, token, watchers } = crowd.dashboard;
  const cookie = { authorization: `Bearer ${token}` };
  living = Promise.all([
    ...crowd.people.map(async (person, index) => live(began, person, index)),
    ...Array.from({ length: watchers }, async () => {
      await ask(began, `${url}/dashboard`, { headers: cookie });
      listen(began, `${url}/dashboard/events`, cookie);
    }),
  ]);
  return {};
}

async function go(): Promise<PagesSeen> {
  if (stay === undefined) throw new Error('nobody has come');
  const { gone, agent, cameMs, latencies, saved, events, faults, fault } = stay;
  const seconds = (monotonicMs() - cameMs) / 1_000;
  gone.abort();
  await living;
  agent.destroy();
  stay = undefined;
  return {
    seconds,
    pages: latencies.length,
    saved,
    events,
    p50Ms: median(latencies),
    p99Ms: percentile(latencies, 0.99),
    faults,
    fault,
  };
}

async function live(stay: Stay, person: Person, index: number): Promise<void> {
  const { crowd, gone } = stay;
  const rest = async (ms: number): Promise<unknown> =>
    delay(ms, undefined, { signal: gone.signal }).catch(() => undefined);
  await rest((index / crowd.people.length) * crowd.everyMs);
  for (let turn = index; !gone.signal.aborted; turn += 1) {
    const startedMs = monotonicMs();
    const link = person.links[turn % person.links.length] ?? '';
    try {
      await VISITS[turn % VISITS.length]?.(stay, person, link);
    } catch (error) {
      if (!gone.signal.aborted) noteFault(stay, error instanceof Error ? error.message : String(error));
    }
    await rest(Math.max(0, startedMs + crowd.everyMs - monotonicMs()));
  }
}

/** As long as the page is shown, its script is told of clicks. */
async function seeClicks(stay: Stay, person: Person, link: string): Promise<void> {
  await see(stay, person, `/urls/${link}`);
  const listener = listen(stay, `${stay.crowd.url}/urls/${link}/clicks/live`, { cookie: person.cookie });
  setTimeout(() => listener.destroy(), stay.crowd.everyMs);
}

/** Sends the form of a link with another title, and sees the link again. */
async function editLink(stay: Stay, person: Person, link: string): Promise<void> {
  const path = `/urls/${link}`;
  const page = await see(stay, person, path);
  const [version, shown] = ['version', 'shown'].map((name) => hiddenField(page, name));
  const form = new URLSearchParams(shown);
  form.set('title', `Article of ${Math.round(monotonicMs())}`);
  form.set('version', version ?? '');
  form.set('shown', shown ?? '');
  const { status } = await ask(stay, stay.crowd.url + path, {
    headers: { cookie: person.cookie, origin: stay.crowd.url },
    form: form.toString(),
  });
  if (status === 303) stay.saved += 1;
  else noteFault(stay, `the form of a link was answered ${status}`);
  await see(stay, person, `${path}?done=saved`);
}

function hiddenField(page: string, name: string): string {
  const value = new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? '';
  return value.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'");
}

async function see(stay: Stay, { cookie }: Person, path: string): Promise<string> {
  const { status, body } = await ask(stay, stay.crowd.url + path, { headers: { cookie } });
  if (status !== 200) noteFault(stay, `${path} was answered ${status}`);
  return body;
}

interface Question {
  readonly headers: Readonly<Record<string, string>>;
  readonly form?: string;
}

async function ask(stay: Stay, url: string, { headers, form }: Question): Promise<Answer> {
  const startedMs = monotonicMs();
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = request(url, {
    method: form === undefined ? 'GET' : 'POST',
    agent: stay.agent,
    headers: {
      accept: 'text/html',
      'accept-encoding': 'gzip, br',
      ...(form !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
      ...headers,
    },
  });
  outgoing.on('response', resolve);
  outgoing.on('error', reject);
  outgoing.end(form);
  const answer = await promise;
  const body = await text(answer);
  stay.latencies.push(monotonicMs() - startedMs);
  return { status: answer.statusCode ?? 0, body };
}

/** Opens a stream of events, until its page is left. */
function listen(stay: Stay, url: string, headers: Readonly<Record<string, string>>): ClientRequest {
  const outgoing = request(url, { agent: false, headers: { accept: 'text/event-stream', ...headers } });
  outgoing.on('error', () => undefined);
  outgoing.on('response', (answer) => {
    if (answer.statusCode !== 200) noteFault(stay, `events of ${url} were answered ${answer.statusCode}`);
    answer.on('data', () => (stay.events += 1));
    answer.on('error', () => undefined);
  });
  stay.gone.signal.addEventListener('abort', () => outgoing.destroy(), { once: true });
  outgoing.end();
  return outgoing;
}

function noteFault(stay: Stay, fault: string): void {
  stay.faults += 1;
  stay.fault ??= fault;
}

serveParent(async (task) => (task === 'go' ? go() : come(task as Crowd)));
