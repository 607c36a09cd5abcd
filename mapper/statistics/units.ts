import { monthOfDay, type Zone } from './zone.ts';

const HOUR_MS = 3_600_000;

/** How long the items of an answer are. */
export const UNITS = ['hour', 'day', 'month'] as const;

export type UnitName = (typeof UNITS)[number];

/** Hours, days or months of a zone, each with a number that is one more than that of the one before. */
export interface Unit {
  /** The one to which an instant belongs. */
  of(atMs: number): number;
  /** The one to which a whole day of the zone is counted. */
  ofDay(day: number): number;
  /** Its first instant. */
  startOf(unit: number): number;
}

export function unitsOf(name: UnitName, zone: Zone): Unit {
  if (name === 'hour')
    return {
      of: (atMs) => Math.floor(atMs / HOUR_MS),
      ofDay: (day) => Math.floor(zone.startOfDay(day) / HOUR_MS),
      startOf: (hour) => hour * HOUR_MS,
    };
  if (name === 'day')
    return {
      of: (atMs) => zone.dayOf(atMs),
      ofDay: (day) => day,
      startOf: (day) => zone.startOfDay(day),
    };
  return {
    of: (atMs) => monthOfDay(zone.dayOf(atMs)),
    ofDay: (day) => monthOfDay(day),
    startOf: (month) => zone.startOfMonth(month),
  };
}
