import { parse as parseAgent } from 'bowser';
import { isbot } from 'isbot';
import { NO_VALUE } from '../../db/clicks/dimensions.ts';
import { flat } from '../../runtime/flat-text.ts';
import { labelOf, type ClickDimension, type Label } from '../clicks/resolved-click.ts';
import { BoundedCache } from '../../runtime/bounded-cache.ts';

/** What a program says about itself in `User-Agent`. */
export interface Agent {
  readonly isBot: boolean;
  /** Browser, system and device. */
  readonly labels: readonly Label[];
}

const MAX_AGENTS = 4_096;
/** Longer ones are cut off. No browser sends as much. */
const MAX_CHARACTERS = 512;

/**
 * Versions from their second number on: `126.0.6478.127`, `17_5_1`. What is looked for here is the name of a
 * browser, never its version, and most of the different texts differ in nothing else.
 */
const MINOR_VERSIONS = /(?<!\d)(\d+)[._][\d._]+/g;

/**
 * Tells programs from people, and names browser, system and device. To look into a text takes 11 µs, so what
 * it says is remembered: of each text, and of all that differ only in small versions.
 */
export class UserAgents {
  readonly #byText = new BoundedCache<Agent>(MAX_AGENTS);
  readonly #byVersion = new BoundedCache<Agent>(MAX_AGENTS);

  /** @param text undefined: there is no such header */
  of(text: string | undefined): Agent {
    if (text === undefined || text === '') return NOBODY;
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const own = flat(text.slice(0, MAX_CHARACTERS));
    const agent = this.#ofVersion(own);
    // A longer text is not remembered: it would be looked for in vain.
    if (own.length === text.length) this.#byText.set(own, agent);
    return agent;
  }

  #ofVersion(text: string): Agent {
    const version = text.replaceAll(MINOR_VERSIONS, '$1.0');
    const known = this.#byVersion.get(version);
    if (known !== undefined) return known;
    const agent = readAgent(version);
    this.#byVersion.set(version, agent);
    return agent;
  }
}

/** Browsers always say what they are. */
const NOBODY: Agent = { isBot: true, labels: labelsOf({}) };

function readAgent(text: string): Agent {
  const { browser, os, platform } = parseAgent(text);
  return {
    isBot: isbot(text),
    labels: labelsOf({ browser: browser.name, os: os.name, device: platform.type }),
  };
}

type AgentNames = Partial<Record<Extract<ClickDimension, 'browser' | 'os' | 'device'>, string | undefined>>;

function labelsOf({ browser = NO_VALUE, os = NO_VALUE, device = NO_VALUE }: AgentNames): readonly Label[] {
  return [labelOf('browser', browser), labelOf('os', os), labelOf('device', device)];
}
