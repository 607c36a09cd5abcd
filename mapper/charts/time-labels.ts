/** How an hour, a day or a month is called. */
export interface TimeLabels {
  readonly label: (at: Date) => string;
  /** For an axis, where the year goes without saying. */
  readonly short: (at: Date) => string;
}

const LONG = {
  hour: { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' },
  day: { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' },
  month: { month: 'long', year: 'numeric' },
} as const;

const SHORT = {
  hour: { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' },
  day: { day: 'numeric', month: 'short' },
  month: { month: 'short', year: 'numeric' },
} as const;

/** The words for times of a zone. @param zone a name that is known to be one */
export function timeLabels(unit: keyof typeof LONG, zone: string): TimeLabels {
  const [long, short] = [LONG, SHORT].map(
    (forms) => new Intl.DateTimeFormat('en-GB', { ...forms[unit], timeZone: zone, hourCycle: 'h23' }),
  ) as [Intl.DateTimeFormat, Intl.DateTimeFormat];
  return { label: (at) => long.format(at), short: (at) => short.format(at) };
}
