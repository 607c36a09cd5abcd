import { expect } from 'chai';
import { contrastOf, parseColour, type Colour } from '../../../mapper/qr/colour.ts';
import { encodeUrl, type Level } from '../../../mapper/qr/qr-code.ts';
import { leastSizeOf, toPng } from '../../../mapper/qr/qr-png.ts';
import { toSvg } from '../../../mapper/qr/qr-svg.ts';
import { errorOf } from '../../db/outcome.ts';
import { drawSvg, readCode, readPng } from './pictures.ts';

const LEVELS: readonly Level[] = ['L', 'M', 'Q', 'H'];
const ORIGINS = [
  'https://go.example',
  'http://127.0.0.1:8080',
  'https://a.very-long-name-of-a-service.example.org',
];
const KEYS = [1, 3, 8, 12, 64, 100, 255].map((length) => 'aB3-_%C3%BCz'.repeat(22).slice(0, length));

function colour(text: string): Colour {
  const parsed = parseColour(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

const BLACK = colour('000');
const WHITE = colour('fff');

describe('a QR code', () => {
  for (const level of LEVELS)
    it(`of level ${level} is read back from the smallest and from larger pictures, for keys of all lengths`, async function () {
      this.timeout(60_000);
      for (const url of ORIGINS.flatMap((origin) => KEYS.map((key) => `${origin}/${key}`))) {
        const modules = encodeUrl(url, { level, margin: 4 });
        const least = leastSizeOf(modules);
        for (const size of [least, least + 1, 3 * modules.length - 1, 3 * modules.length]) {
          const look = { size, dark: BLACK, light: WHITE };
          const png = readPng(await toPng(modules, look));
          expect([png.width, png.height]).to.deep.equal([size, size]);
          expect(readCode(png), `${size} pixels`).to.equal(url);
        }
        const svg = toSvg(modules, { size: 64, dark: BLACK, light: WHITE });
        expect(readCode(drawSvg(svg, 3))).to.equal(url);
      }
    });

  it('has the same modules as SVG and as PNG, whatever its margin', async () => {
    for (const margin of [0, 1, 4, 16]) {
      const modules = encodeUrl('https://go.example/QFXOHkP7', { level: 'M', margin });
      expect(modules.length).to.equal(29 + 2 * margin);
      const look = { size: 2 * modules.length, dark: BLACK, light: WHITE };
      const png = readPng(await toPng(modules, look));
      expect(png.data).to.deep.equal(drawSvg(toSvg(modules, look), 2).data);
    }
  });

  it('has equal modules, and what is left over is margin', async () => {
    const modules = encodeUrl('https://go.example/QFXOHkP7', { level: 'L', margin: 0 });
    const size = 3 * modules.length + 2;
    const { data } = readPng(await toPng(modules, { size, dark: BLACK, light: WHITE }));
    const isDark = (x: number, y: number): boolean => data[(y * size + x) * 4] === 0;
    for (let y = 0; y < size; y += 1)
      for (let x = 0; x < size; x += 1) {
        const inside = modules[Math.floor((y - 1) / 3)]?.[Math.floor((x - 1) / 3)] ?? false;
        expect(isDark(x, y), `${x} ${y}`).to.equal(inside);
      }
  });

  it('has colours and opacities', async () => {
    const modules = encodeUrl('https://go.example/QFXOHkP7', { level: 'M', margin: 2 });
    const look = { size: 100, dark: colour('#1a3c8bcc'), light: colour('ffeecc00') };
    const { data } = readPng(await toPng(modules, look));
    const found = new Set<string>();
    for (let at = 0; at < data.length; at += 4)
      found.add(Buffer.from(data.subarray(at, at + 4)).toString('hex'));
    expect(found).to.deep.equal(new Set(['ffeecc00', '1a3c8bcc']));
    const svg = toSvg(modules, look);
    expect(svg).to.include('fill="#1a3c8b" fill-opacity="0.800"').and.not.include('ffeecc');
    expect(readCode(drawSvg(svg, 3))).to.equal('https://go.example/QFXOHkP7');
  });

  it('is a small file, also when it is large', async () => {
    const modules = encodeUrl(`https://go.example/${KEYS.at(-1)}`, { level: 'H', margin: 4 });
    const png = await toPng(modules, { size: 4_096, dark: BLACK, light: WHITE });
    expect(png.length).to.be.below(64 * 1024);
    expect(readCode(readPng(await toPng(modules, { size: 1_024, dark: BLACK, light: WHITE })))).to.match(
      /^https/,
    );
  });

  it('is not drawn with less than a pixel for each module', async () => {
    const modules = encodeUrl('https://go.example/QFXOHkP7', { level: 'M', margin: 4 });
    const error = await errorOf(toPng(modules, { size: modules.length - 1, dark: BLACK, light: WHITE }));
    expect(error).to.be.instanceOf(RangeError);
  });
});

describe('a colour', () => {
  const table: readonly (readonly [text: string, hex: string | undefined])[] = [
    ['#fff', 'ffffffff'],
    ['1a3', '11aa33ff'],
    ['#1A3c', '11aa33cc'],
    ['1a3c8b', '1a3c8bff'],
    ['#1a3c8b80', '1a3c8b80'],
    ['', undefined],
    ['#', undefined],
    ['##fff', undefined],
    ['ff', undefined],
    ['fffff', undefined],
    ['fffffff', undefined],
    ['fffffffff', undefined],
    ['red', undefined],
    ['#ggg', undefined],
    ['fff ', undefined],
    ['fff\n', undefined],
    ['#fff"/>', undefined],
  ];
  for (const [text, hex] of table)
    it(`${JSON.stringify(text)} is ${hex ?? 'none'}`, () => {
      const parsed = parseColour(text);
      const bytes = parsed && Buffer.from([parsed.red, parsed.green, parsed.blue, parsed.alpha]);
      expect(bytes?.toString('hex')).to.equal(hex);
    });

  const contrasts: readonly (readonly [dark: string, light: string, contrast: number])[] = [
    ['000', 'fff', 21],
    ['fff', '000', 1 / 21],
    ['777', 'fff', 4.48],
    ['fff', 'fff', 1],
    ['000', '0000', 21],
    ['0000', 'fff', 1],
    ['000f', '777f', 4.69],
    ['ff0', 'fff', 1.07],
    ['0008', 'fff', 4.48],
  ];
  for (const [dark, light, contrast] of contrasts)
    it(`${dark} on ${light} has the contrast ${contrast.toFixed(2)}`, () => {
      expect(contrastOf(colour(dark), colour(light))).to.be.closeTo(contrast, 0.01);
    });
});
