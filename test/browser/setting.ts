import { IS_LONG } from '../long.ts';

/** In which browser, and by which hands, a journey is made. */
export interface Setting {
  /** In CSS pixels. */
  readonly width: number;
  readonly theme: 'light' | 'dark';
  /** False: the pages' scripts do not run. */
  readonly hasScript: boolean;
  /** `keyboard`: everything is reached by Tab and done by keys, never by a pointer. */
  readonly hands: 'pointer' | 'keyboard';
}

/** A telephone, a tablet, a desk. */
const WIDTHS = [320, 768, 1_440];

/** For what does not depend on the setting. */
export const DESK: Setting = { width: 1_440, theme: 'light', hasScript: true, hands: 'pointer' };

const USUAL: readonly Setting[] = [
  { ...DESK, hands: 'keyboard' },
  { width: 320, theme: 'dark', hasScript: false, hands: 'pointer' },
];

const ALL: readonly Setting[] = WIDTHS.flatMap((width) =>
  (['light', 'dark'] as const).flatMap((theme) =>
    [true, false].map((hasScript): Setting => ({
      width,
      theme,
      hasScript,
      hands: hasScript === (theme === 'light') ? 'keyboard' : 'pointer',
    })),
  ),
);

/** Those of this run: two, or with `--long` every one. */
export const SETTINGS: readonly Setting[] = IS_LONG ? ALL : USUAL;

/** How many times as long a run with `--long` may take for anything: it runs beside whatever there is. */
export const PATIENCE = IS_LONG ? 5 : 1;

/** As a name of a folder. */
export function nameOf({ width, theme, hasScript, hands }: Setting): string {
  return `${width}-${theme}-${hasScript ? 'script' : 'no-script'}-${hands}`;
}
