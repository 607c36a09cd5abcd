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
 * Tells programs from people, and names browser, system and device. To look into a text takes 11 µs, so what
 * it says is remembered: of some texts, and of all that differ only in small versions
 * ({@link writeWithoutMinors}). No table of texts is asked: V8 keeps each text that is looked for in one, and
 * where all are different, that takes longer than the rest of a click.
 */
export class UserAgents {
  /** Whole texts that came lately, each at the place that some of its characters give it. */
  readonly #recent: (RecentText | undefined)[] = Array.from({ length: MAX_AGENTS });
  readonly #byVersion = new BoundedCache<KnownVersion, number>(MAX_AGENTS);
  readonly #text = Buffer.alloc(MAX_CHARACTERS);
  readonly #version = Buffer.alloc(MAX_CHARACTERS);
  #missed = 0;

  /** @param text undefined: there is no such header */
  of(text: string | undefined): Agent {
    if (text === undefined || text === '') return NOBODY;
    const place = placeOf(text);
    const recent = this.#recent[place];
    if (recent?.text === text) return recent.agent;
    const agent = this.#ofVersion(text);
    this.#missed += 1;
    if (this.#missed % REMEMBERED === 0 && text.length <= MAX_CHARACTERS)
      this.#recent[place] = { text: flat(text), agent };
    return agent;
  }

  #ofVersion(text: string): Agent {
    const version = this.#version;
    const length = writeWithoutMinors(version, this.#text, this.#text.write(text, 'latin1'));
    const hash = hashOf(version, length);
    const known = this.#byVersion.get(hash);
    if (known !== undefined && isSame(known.version, version, length)) return known.agent;
    const agent = readAgent(version.toString('latin1', 0, length));
    this.#byVersion.set(hash, { version: Uint8Array.from(version.subarray(0, length)), agent });
    return agent;
  }
}

interface RecentText {
  /** A text of its own, and no view of a longer one. */
  readonly text: string;
  readonly agent: Agent;
}

/** One of so many texts that are not there is remembered: those that come often are soon among them. */
const REMEMBERED = 8;
const LOOKED_AT = 16;

/** Where a text is remembered: a number below {@link MAX_AGENTS}. */
function placeOf(text: string): number {
  const { length } = text;
  const step = Math.ceil(length / LOOKED_AT);
  let hash = length;
  // From the end on, where browsers differ.
  for (let at = length - 1; at >= 0; at -= step) hash = Math.imul(hash ^ text.charCodeAt(at), ODD);
  return hash >>> PLACE_SHIFT;
}

interface KnownVersion {
  readonly version: Uint8Array;
  readonly agent: Agent;
}

const [DOT, UNDERSCORE, ZERO, NINE] = [0x2e, 0x5f, 0x30, 0x39] as const;

/**
 * Copies a text, with 0 for versions from their second number on: of `126.0.6478.127` and `17_5_1` remain
 * `126.0` and `17.0`. What is looked for here is the name of a browser, never its version, and most of the
 * different texts differ in nothing else.
 * @param length of the text in `from` @returns the length of the copy, which is not longer
 */
export function writeWithoutMinors(to: Uint8Array, from: Uint8Array, length: number): number {
  let [at, end] = [0, 0];
  while (at < length) {
    const code = (to[end++] = from[at++] as number);
    if (!isDigit(code)) continue;
    while (at < length && isDigit(from[at] as number)) to[end++] = from[at++] as number;
    if (at + 1 >= length || !isPoint(from[at] as number) || !isOfVersion(from[at + 1] as number)) continue;
    while (at < length && isOfVersion(from[at] as number)) at += 1;
    to[end++] = DOT;
    to[end++] = ZERO;
  }
  return end;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

function isPoint(code: number): boolean {
  return code === DOT || code === UNDERSCORE;
}

function isOfVersion(code: number): boolean {
  return isDigit(code) || isPoint(code);
}

function hashOf(bytes: Uint8Array, length: number): number {
  let hash = 0;
  for (let i = 0; i < length; i += 1) hash = Math.imul(hash ^ (bytes[i] as number), ODD);
  return hash;
}

/** 2^32 divided by the golden ratio: it spreads what is multiplied by it. */
const ODD = 0x9e3779b1;
/** The high bits are those that all characters have changed. */
const PLACE_SHIFT = 32 - Math.log2(MAX_AGENTS);

function isSame(own: Uint8Array, bytes: Uint8Array, length: number): boolean {
  if (own.length !== length) return false;
  for (let i = 0; i < length; i += 1) if (own[i] !== bytes[i]) return false;
  return true;
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
