import type { Device } from '../../db/urls/link-rules.ts';

/**
 * What each device has in its `User-Agent`, the most particular first: Windows Phone names Android and iPhone
 * too, Android and ChromeOS name Linux, and an iPhone says that it is like a Mac.
 */
const DEVICES: readonly (readonly [RegExp, Device])[] = [
  [/Windows/, 'windows'],
  [/\b(?:iPhone|iPad|iPod)\b/, 'ios'],
  [/\bAndroid\b/, 'android'],
  [/\bCrOS\b/, 'chromeos'],
  [/\b(?:Macintosh|Mac OS X)\b/, 'macos'],
  [/\b(?:Linux|X11)\b/, 'linux'],
];

/**
 * The device that a `User-Agent` names. An iPad says that it is a Mac, unless its user has asked for pages
 * for phones. Undefined: it names none.
 */
export function deviceOf(userAgent: string | undefined): Device | undefined {
  if (userAgent === undefined) return undefined;
  return DEVICES.find(([pattern]) => pattern.test(userAgent))?.[1];
}
