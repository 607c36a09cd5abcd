import { parse as parseAgent } from 'bowser';
import { isbot } from 'isbot';
import { NO_VALUE } from '../../db/clicks/dimensions.ts';
import { labelOf, type Label } from '../clicks/resolved-click.ts';
import { BoundedCache } from '../../runtime/bounded-cache.ts';
import { RecentTexts } from './recent-texts.ts';
import { TextWords } from './text-words.ts';
import type { Bits64 } from './visitor-hash.ts';

/** What a program says about itself in `User-Agent`. */
export interface Agent {
  readonly isBot: boolean;
  readonly browser: Label;
  readonly os: Label;
  readonly device: Label;
}

const MAX_AGENTS = 4_096;
/** Longer ones are cut off. No browser sends as much. */
const MAX_CHARACTERS = 512;

/** One text, and what it says. */
export interface SeenAgent {
  readonly agent: Agent;
  /** Of the text. Texts with the same digest are taken for one when visitors are counted. */
  readonly digest: Bits64;
}

/**
 * Tells programs from people, and names browser, system and device. To look into a text takes 11 µs, so what
 * it says is remembered: of some texts, and of all that differ only in small versions
 * ({@link writeWithoutMinors}).
 */
export class UserAgents {
  readonly #recent = new RecentTexts<SeenAgent>(MAX_AGENTS);
  readonly #byVersion = new BoundedCache<KnownVersion, number>(MAX_AGENTS);
  readonly #text = new TextWords(MAX_CHARACTERS);
  readonly #version = new TextWords(MAX_CHARACTERS);

  /** @param text undefined: there is no such header */
  of(text: string | undefined): SeenAgent {
    if (text === undefined || text === '') return NOBODY;
    const recent = this.#recent.find(text);
    if (recent !== undefined) return recent;
    this.#text.end(this.#text.bytes.write(text, 'latin1'));
    const seen = { agent: this.#ofVersion(), digest: this.#text.digest() };
    if (text.length <= MAX_CHARACTERS) this.#recent.add(text, seen);
    return seen;
  }

  #ofVersion(): Agent {
    const version = this.#version;
    version.end(writeWithoutMinors(version.bytes, this.#text.bytes, this.#text.length));
    const hash = version.digest().low;
    const known = this.#byVersion.get(hash);
    if (known !== undefined && version.hasWords(known.words)) return known.agent;
    const agent = readAgent(version.bytes.toString('latin1', 0, version.length));
    this.#byVersion.set(hash, { words: version.copyWords(), agent });
    return agent;
  }
}

interface KnownVersion {
  readonly words: Int32Array;
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

/** Browsers always say what they are. */
const NOBODY: SeenAgent = { agent: { isBot: true, ...labelsOf({}) }, digest: { high: 0, low: 0 } };

function readAgent(text: string): Agent {
  const { browser, os, platform } = parseAgent(text);
  return {
    isBot: isbot(text),
    ...labelsOf({ browser: browser.name, os: os.name, device: platform.type }),
  };
}

type AgentNames = Partial<Record<'browser' | 'os' | 'device', string | undefined>>;

function labelsOf({ browser, os, device }: AgentNames): Omit<Agent, 'isBot'> {
  return {
    browser: labelOf('browser', nameIn(browser)),
    os: labelOf('os', nameIn(os)),
    device: labelOf('device', nameIn(device)),
  };
}

/** A browser that nobody knows is called by the first words of its text, and these may be anything. */
const NAME = /^[A-Za-z0-9](?:[ -~]{0,62}[!-~])?$/;

function nameIn(said: string | undefined): string {
  return said !== undefined && NAME.test(said) ? said : NO_VALUE;
}
