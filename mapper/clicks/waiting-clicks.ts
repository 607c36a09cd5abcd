import type { DayVisitors, HourClicks, LinkClicks, ValueClicks } from '../../db/clicks/click-flush.ts';
import { idOfValue } from '../../db/clicks/merge-clicks.ts';
import { Sketch } from '../../db/clicks/sketch.ts';
import { bytesOf } from './flush-parts.ts';

/** Of each value, so that it is found again. */
const BYTES_OF_PLACE = 100;

/**
 * What waits for one link. To add to it costs as much as what is added, however much waits: while a server is
 * away, each round adds to all of it.
 */
export class WaitingClicks {
  #clicks: LinkClicks;
  /** Those of `#clicks`, once they are copies of ours. */
  #own: { hours: HourClicks[]; values: ValueClicks[]; visitors: DayVisitors[] } | undefined;
  /** Where each of its values stands. Most links are stored before more is added. */
  #places: Map<string, number> | undefined;

  /** @param clicks stay as they are */
  constructor(clicks: LinkClicks) {
    this.#clicks = clicks;
  }

  /** All of it. Adding more may change it. */
  get clicks(): LinkClicks {
    return this.#clicks;
  }

  /** About how many bytes of memory it takes. */
  get bytes(): number {
    return bytesOf(this.#clicks) + BYTES_OF_PLACE * (this.#places?.size ?? 0);
  }

  add(more: Pick<LinkClicks, 'hours' | 'values' | 'visitors'>): void {
    const { hours, values, visitors } = (this.#own ??= this.#copy());
    const places = (this.#places ??= placesOf(values));
    for (const one of more.hours)
      addTo(
        hours,
        hours.findIndex(({ hour }) => hour === one.hour),
        one,
      );
    for (const one of more.values) {
      const id = idOfValue(one);
      const place = places.get(id) ?? -1;
      if (place < 0) places.set(id, values.length);
      addTo(values, place, one);
    }
    for (const { day, sketch } of more.visitors) {
      let own = visitors.find((one) => one.day === day)?.sketch;
      if (own === undefined) visitors.push({ day, sketch: (own = new Sketch()) });
      own.merge(sketch);
    }
  }

  #copy(): { hours: HourClicks[]; values: ValueClicks[]; visitors: DayVisitors[] } {
    const { key, hours, values, visitors } = this.#clicks;
    const own = {
      hours: [...hours],
      values: [...values],
      visitors: visitors.map(({ day, sketch }) => {
        const copy = new Sketch();
        copy.merge(sketch);
        return { day, sketch: copy };
      }),
    };
    this.#clicks = { key, ...own };
    return own;
  }
}

function placesOf(values: readonly ValueClicks[]): Map<string, number> {
  return new Map(values.map((value, place) => [idOfValue(value), place]));
}

/** @param place of the same; negative: there is none yet */
function addTo<T extends HourClicks | ValueClicks>(all: T[], place: number, one: T): void {
  const before = all[place];
  if (before === undefined) all.push(one);
  else all[place] = { ...one, humans: before.humans + one.humans, bots: before.bots + one.bots };
}
