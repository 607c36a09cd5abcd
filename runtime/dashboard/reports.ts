import { hostname } from 'node:os';
import { whyOutOfReach } from '../admin-address.ts';
import { askAdmin } from '../admin-client.ts';
import { messageOf } from '../errors.ts';
import { pause } from '../retry.ts';
import { parseFigures, ratesOf } from './figures.ts';
import { InTurn } from './in-turn.ts';
import { addressesOf, isNamed, memberKey } from './members.ts';
import type { Facts, Figures, MemberAddress, MemberSeen, Report, Seen } from './seen.ts';
import { pollingSource, type Source } from './source.ts';
import { parseEvents, type Timeline } from './timeline.ts';

const EVERY_MS = 2_000;
/** Members that are asked in one round. More take turns: 40 have a report each 10 s. */
const AT_ONCE = 8;
const FIRST_PAUSE_MS = 300;
const ASK_MS = 800;
/** Others name the members. In the first round they are waited for: a person may look only once. */
const MEMBERS_MS = 1_000;
const MEMBERS_EVERY_MS = 25;
const MAX_MARK = 100;
/** Rates are those of the last so many reports. */
const KEPT = 5;

export interface ReportsOptions {
  /** The process itself, which is not asked over the network. */
  readonly self: Pick<MemberAddress, 'id' | 'kind'> & { readonly report: Reporting };
  readonly facts: Pick<Facts, 'hasZooKeeper'>;
  /** `KEYMILL_ADMIN_TOKEN`, the same in all processes of a cluster. */
  readonly token: string | undefined;
  /** Gets what others have seen. */
  readonly timeline: Timeline;
}

/** @param mark of the last report that the asker has got: `events` are then only those that came later */
export type Reporting = (mark?: string) => Promise<Report>;

/** What is kept of a member from one report to the next. */
interface Kept {
  readonly figures: readonly Figures[];
  readonly mark: string;
}

/** Asks every member for its report, and this process too. */
export function reportsSource(options: ReportsOptions): Source {
  return (tell, seen) => {
    const kept = new Map<string, Kept>();
    const turns = new InTurn(AT_ONCE);
    let known = new Map<string, MemberSeen>();
    let rounds = 0;
    const look = async (now: Seen): Promise<Seen> => {
      const others = othersOf(options, now);
      const due = turns.next([...others.map(memberKey), memberKey(options.self)]);
      const members = await Promise.all(
        others.map(async (address) => {
          const key = memberKey(address);
          return (due.has(key) ? undefined : known.get(key)) ?? askMember(address, options, kept);
        }),
      );
      const ownKey = memberKey(options.self);
      const self = (due.has(ownKey) ? undefined : known.get(ownKey)) ?? (await reportSelf(options, kept));
      const all = [self, ...members];
      known = new Map(all.map((member) => [memberKey(member), member]));
      return { members: all };
    };
    const read = async (): Promise<Seen> => {
      rounds += 1;
      // A rate needs two reports, and a person who looks once shall see one.
      if (rounds === 1) {
        await untilNamed(options, seen);
        await look(seen());
        await pause(FIRST_PAUSE_MS);
      }
      return look(seen());
    };
    return pollingSource(
      { everyMs: EVERY_MS, deadlineMs: MEMBERS_MS + 2 * ASK_MS + FIRST_PAUSE_MS + 500 },
      read,
    )(tell, seen);
  };
}

async function untilNamed({ facts }: ReportsOptions, seen: () => Seen): Promise<void> {
  for (let waitedMs = 0; waitedMs < MEMBERS_MS; waitedMs += MEMBERS_EVERY_MS) {
    if (isNamed(facts, seen())) return;
    await pause(MEMBERS_EVERY_MS);
  }
}

function othersOf({ self }: ReportsOptions, seen: Seen): readonly MemberAddress[] {
  return addressesOf(seen).filter((member) => memberKey(member) !== memberKey(self));
}

async function reportSelf({ self, timeline }: ReportsOptions, kept: Map<string, Kept>): Promise<MemberSeen> {
  const { id, kind } = self;
  const report = await self.report(kept.get(memberKey(self))?.mark);
  return toMember({ id, kind }, report, kept, timeline);
}

async function askMember(
  { id, kind, admin, host }: MemberAddress,
  { token, timeline }: ReportsOptions,
  kept: Map<string, Kept>,
): Promise<MemberSeen> {
  const key = memberKey({ id, kind });
  const silent = (problem: string): MemberSeen => {
    kept.delete(key);
    return { id, kind, problem, isReady: false, unusable: [], drain: null, held: null, rates: undefined };
  };
  if (admin === null || !URL.canParse(admin)) return silent('it announces no admin address');
  const reason = whyOutOfReach({ admin, host }, hostname());
  if (reason !== undefined) return silent(reason);
  try {
    const mark = kept.get(key)?.mark;
    const path = `/dashboard/report${mark === undefined ? '' : `?since=${encodeURIComponent(mark)}`}`;
    const answer = await askAdmin({ url: admin, token }, 'GET', path, { timeoutMs: ASK_MS });
    const report = parseReport(answer);
    if (report === undefined) return silent('it answered something else than a report');
    return toMember({ id, kind }, report, kept, timeline);
  } catch (error) {
    return silent(messageOf(error));
  }
}

function toMember(
  { id, kind }: Pick<MemberAddress, 'id' | 'kind'>,
  { isReady, unusable, figures, events, mark, drain, held }: Report,
  kept: Map<string, Kept>,
  timeline: Timeline,
): MemberSeen {
  timeline.add(events);
  const key = memberKey({ id, kind });
  const last = kept.get(key)?.figures ?? [];
  const [oldest] = last;
  const rates = oldest === undefined ? undefined : ratesOf(oldest, figures);
  const hasRestarted = oldest !== undefined && rates === undefined;
  kept.set(key, { figures: hasRestarted ? [figures] : [...last, figures].slice(-KEPT), mark });
  return { id, kind, problem: null, isReady, unusable, drain, held, rates };
}

function parseReport(json: unknown): Report | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { isReady, unusable, figures, events, mark, drain, held } = json as Partial<
    Record<keyof Report, unknown>
  >;
  const parsed = parseFigures(figures);
  if (parsed === undefined) return undefined;
  const names = Array.isArray(unusable) ? unusable.filter((name) => typeof name === 'string') : [];
  return {
    isReady: isReady === true,
    unusable: names.slice(0, 200),
    figures: parsed,
    events: parseEvents(events),
    mark: typeof mark === 'string' ? mark.slice(0, MAX_MARK) : '',
    drain: parseAmount(drain),
    held: parseAmount(held),
  };
}

function parseAmount(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 ? value : null;
}
