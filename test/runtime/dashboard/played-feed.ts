import type { Seen, TimelineEvent } from '../../../runtime/dashboard/seen.ts';
import type { Source } from '../../../runtime/dashboard/source.ts';
import type { Timeline } from '../../../runtime/dashboard/timeline.ts';
import type { Recording, Told } from './recording.ts';

export interface Playing {
  readonly recording: Recording;
  /** How many times as fast as it was. */
  readonly speed: number;
  /** Gets what other processes had seen. */
  readonly timeline: Timeline;
}

/** A source that says again what the sources of a recording said, as if that happened from now on. */
export function playedFeed({ recording, speed, timeline }: Playing): Source {
  const { told, startedMs } = recording;
  return (tell) => {
    let next = 0;
    let begunMs = Date.now();
    let timer: NodeJS.Timeout | undefined;
    const say = ({ part, events }: Told): void => {
      const shift = (ms: number): number => begunMs + (ms - startedMs) / speed;
      if (part !== undefined) tell(shiftPart(part, shift));
      if (events !== undefined) timeline.add(events.map((event) => shiftEvent(event, shift)));
    };
    const play = (): void => {
      const nowMs = (Date.now() - begunMs) * speed;
      for (let one = told[next]; one !== undefined && one.atMs <= nowMs; one = told[next]) {
        say(one);
        next += 1;
      }
      // It happens again, from its beginning.
      if (next >= told.length) [next, begunMs] = [0, Date.now()];
      timer = setTimeout(play, Math.max(1, ((told[next]?.atMs ?? 0) - nowMs) / speed));
    };
    play();
    return { first: Promise.resolve(), [Symbol.asyncDispose]: async () => clearTimeout(timer) };
  };
}

/** The clock of the recording is put forward. Only locks have times. */
function shiftPart(part: Seen, shift: (ms: number) => number): Seen {
  const { cluster } = part;
  if (cluster === undefined) return part;
  const locks = cluster.locks.map((lock) =>
    lock.since === null ? lock : { ...lock, since: new Date(shift(Date.parse(lock.since))).toISOString() },
  );
  return { ...part, cluster: { ...cluster, locks } };
}

function shiftEvent(event: TimelineEvent, shift: (ms: number) => number): TimelineEvent {
  const atMs = Math.round(shift(event.atMs));
  // The id of an event of a shard ends in the time at which its lock was taken.
  const id = event.id.replace(/\S+Z$/, (since) => new Date(shift(Date.parse(since))).toISOString());
  return { ...event, id, atMs };
}
