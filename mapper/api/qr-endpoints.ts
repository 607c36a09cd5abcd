import { z } from 'zod';
import { parseColour } from '../qr/colour.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { linkKey } from './link-fields.ts';
import { MIN_CONTRAST, QR_TYPES, type QrFormat } from './qr-service.ts';

const SIZES = { least: 64, most: 4_096, usual: '256' };
const MARGINS = { most: 16, usual: '4' };
const LEVELS = ['L', 'M', 'Q', 'H'] as const;

function wholeNumber(least: number, most: number, usual: string) {
  const error = `must be a whole number from ${least} to ${most}`;
  return z
    .string()
    .regex(/^\d{1,4}$/, { error, abort: true })
    .transform(Number)
    .refine((value) => value >= least && value <= most, { error })
    .default(Number(usual));
}

function colour(usual: string) {
  return z
    .string()
    .refine((text) => parseColour(text) !== undefined, {
      error: 'must be a colour: 3, 4, 6 or 8 hex digits, such as 1a3c8b, with # (as %23) or without',
    })
    .default(usual);
}

const look = z.strictObject({
  size: wholeNumber(SIZES.least, SIZES.most, SIZES.usual).meta({
    description: `pixels of width and height, ${SIZES.least} to ${SIZES.most}; default ${SIZES.usual}`,
  }),
  margin: wholeNumber(0, MARGINS.most, MARGINS.usual).meta({
    description: `modules around the code, 0 to ${MARGINS.most}; default ${MARGINS.usual}, which readers want`,
  }),
  level: z
    .enum(LEVELS, { error: `must be one of ${LEVELS.join(', ')}` })
    .default('M')
    .meta({ description: 'how much may be dirty or torn off: 7, 15, 25 or 30 %; default M' }),
  dark: colour('000000').meta({ description: 'colour as rgb, rgba, rrggbb or rrggbbaa; default 000000' }),
  light: colour('ffffff').meta({ description: 'default ffffff; ffffff00 is transparent' }),
});

function declare(format: QrFormat, name: string, means: string): Endpoint {
  return endpoint({
    method: 'GET',
    path: `/urls/{key}/qr.${format}`,
    name,
    group: 'Links',
    summary: `Draw a QR code of one of your links, as ${format.toUpperCase()}`,
    description: `The code has the short URL. \`dark\` must be darker than \`light\`, with a contrast of at least ${MIN_CONTRAST} by WCAG, where light is transparent over white. The answer may be kept for a day.`,
    access: 'links:read',
    params: linkKey,
    query: look,
    conditional: 'read',
    status: 200,
    answerTypes: { [QR_TYPES[format]]: { means } },
    means: 'The picture',
    problems: ['unknown-key', 'store-down'],
    handle: async ({ qr }, { identity, params, query, headers }) =>
      qr.draw(identity, params.key, { format, wish: query, ifNoneMatch: headers['if-none-match'] }),
  });
}

export const QR_ENDPOINTS: readonly Endpoint[] = [
  declare('svg', 'drawQrSvg', 'of any size, by its `viewBox`'),
  declare('png', 'drawQrPng', 'exactly `size` pixels, at least 2 for each module'),
];
