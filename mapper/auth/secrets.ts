import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_CHARACTERS = 8;
const RANDOM_CHARACTERS = 32;
const CHECK_CHARACTERS = 6;
const PREFIX = 'km_';
const KEY = new RegExp(
  `^${PREFIX}([0-9A-Za-z]{${ID_CHARACTERS}})[0-9A-Za-z]{${RANDOM_CHARACTERS + CHECK_CHARACTERS}}$`,
);
const TOKEN_BYTES = 32;
const TOKEN = /^[\w-]{43}$/;

/** A secret and what is stored of it. */
export interface Secret {
  /** Shown once. */
  readonly text: string;
  /** SHA-256 of the text. The texts are random and long, so no slow hash is needed. */
  readonly hash: Buffer;
}

/** What an API key proves, when the store has the same hash. */
export interface KeyProof {
  /** The public part of the key. */
  readonly id: string;
  readonly hash: Buffer;
}

/** A session's cookie, or the token of a password link: 256 random bits. */
export function createToken(): Secret {
  const text = randomBytes(TOKEN_BYTES).toString('base64url');
  return { text, hash: hashOf(text) };
}

/** The hash of a token that was given. Undefined when it cannot be one. */
export function parseToken(text: string): Buffer | undefined {
  return TOKEN.test(text) ? hashOf(text) : undefined;
}

/**
 * A new API key: `km_`, 8 characters that name it, 32 random ones (190 bits), and 6 of a checksum. Scanners
 * of source code recognise the form, and a mistyped key is refused without a question to the store.
 */
export function createApiKey(): Secret & { readonly id: string } {
  const id = randomText(ID_CHARACTERS);
  const head = PREFIX + id + randomText(RANDOM_CHARACTERS);
  const text = head + checksumOf(head);
  return { id, text, hash: hashOf(text) };
}

/** Undefined when the text is no key: its form or its checksum is wrong. */
export function parseApiKey(text: string): KeyProof | undefined {
  const id = KEY.exec(text)?.[1];
  if (id === undefined || checksumOf(text.slice(0, -CHECK_CHARACTERS)) !== text.slice(-CHECK_CHARACTERS))
    return undefined;
  return { id, hash: hashOf(text) };
}

/** Whether a text can be the public part of a key. */
export function isKeyId(text: string): boolean {
  return text.length === ID_CHARACTERS && /^[0-9A-Za-z]+$/.test(text);
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** CRC-32 in base 62, with leading zeros. */
function checksumOf(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let place = 0; place < CHECK_CHARACTERS; place += 1) {
    digits = BASE62.charAt(rest % 62) + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

/** Each character is equally likely: bytes above the last multiple of 62 are thrown away. */
function randomText(length: number): string {
  let text = '';
  while (text.length < length)
    for (const byte of randomBytes(2 * length))
      if (byte < 248 && text.length < length) text += BASE62.charAt(byte % 62);
  return text;
}
